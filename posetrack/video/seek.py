"""Seeking to a time in a video without decoding the images before it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import av

from posetrack.video.container import can_open_again, open_container
from posetrack.video.places import Places

# Containers with an exact index of key frames, and with one time-stamped packet per image.
_INDEXED_FORMATS = frozenset({"mov", "matroska"})
# Codecs with packets that produce no image, so that packets cannot be counted as images.
_CODECS_WITH_HIDDEN_IMAGES = frozenset({"vp8"})
_REORDER_MARGIN_S = 2
_NEARBY_PACKETS = 32


@dataclass(frozen=True)
class StartPoint:
    """Where to start decoding, and where the selected frames begin; time stamps in ticks.

    Attributes:
        key_pts: Time stamp of the last key frame at or before the first selected image.
        pts: Time stamp of the first selected image.
    """

    key_pts: int
    pts: int


def has_packet_per_image(stream: av.VideoStream) -> bool:
    """Whether a stream has one time-stamped packet an image, and no others."""
    formats = stream.container.format.name.split(",")
    is_indexed = not _INDEXED_FORMATS.isdisjoint(formats)
    return is_indexed and stream.codec_context.name not in _CODECS_WITH_HIDDEN_IMAGES


def find_start(
    source: str, stream: av.VideoStream, *, first_pts: int, start_s: float, places: Places
) -> StartPoint | None:
    """Find the first image at or after a time, from the time stamps of the packets alone.

    Args:
        source: The path of the video; it is opened a second time.
        stream: The video stream.
        first_pts: Time stamp of the source's first image, in ticks.
        start_s: The time, in seconds from that image.
        places: The count of images, at its start; it is advanced to the last image before the time.

    Returns:
        Where to seek to; None if the packets do not tell, and decoding has to start at the beginning.
    """
    time_base = stream.time_base
    if not can_open_again(source) or not has_packet_per_image(stream) or time_base is None:
        return None

    def time_of(pts: int) -> float:
        return float((pts - first_pts) * time_base)

    stamps: list[int] = []
    durations: list[int] = []
    keys: list[int] = []
    with open_container(source) as container:
        try:
            for packet in container.demux(container.streams[stream.index]):
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is None:
                    return None
                if packet.pts >= first_pts:
                    stamps.append(packet.pts)
                    durations.append(packet.duration or 0)
                    if packet.is_keyframe:
                        keys.append(packet.pts)
                if packet.dts is not None and time_of(packet.dts) > start_s + _REORDER_MARGIN_S:
                    break
        except av.FFmpegError:
            return None
    stamps.sort()
    index = bisect_left(stamps, start_s, key=time_of)
    if index == len(stamps) or len(set(stamps)) < len(stamps):
        return None
    key_pts = max((pts for pts in keys if pts <= stamps[index]), default=None)
    if key_pts is None:
        return None
    for i, pts in enumerate(stamps[:index]):
        nearby = durations[max(0, i - _NEARBY_PACKETS) : i + _NEARBY_PACKETS]
        places.advance(time_of(pts), longest_s=float(max(nearby) * time_base))
    return StartPoint(key_pts, stamps[index])
