"""Opening of containers, and their streams, frame rate and length."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from posetrack.addresses import show_address
from posetrack.errors import VideoError
from posetrack.video.limits import MAX_PIXELS, bound_decoders
from posetrack.video.silence import NETWORK_TIMEOUT_S
from posetrack.video.timeline import choose_fps, is_sane_fps, measure_fps

_PACKETS_TO_MEASURE = 120
_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"})
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
# Without it FFmpeg asks the server to close each connection, sends the next request into it all the same, and
# then loses the first key frame of a file whose index is at its end, with all images that build on it.
_KEEP_ALIVE = {"multiple_requests": "1"}
_TEXT_FORMATS = frozenset({"tty"})


def to_url(source: str) -> str:
    """The URL of a source: paths get `file:`, so that FFmpeg finds no protocol in their names."""
    return source if "://" in source else f"file:{source}"


def can_open_again(source: str) -> bool:
    """Whether a source is a file on disk: a pipe can be read once only, and so can what some addresses name."""
    return find_path(source).is_file()


def find_path(source: str) -> Path:
    """The path that a source would have as a file."""
    return Path(urlsplit(source).path if source.startswith("file:") else source)


def open_container(
    source: str,
    *,
    timeout_s: tuple[float, float] = (NETWORK_TIMEOUT_S, NETWORK_TIMEOUT_S),
    options: Mapping[str, str] | None = None,
) -> InputContainer:
    """Open a file or URL for reading.

    Args:
        source: The file or URL.
        timeout_s: Longest time for a URL to open, and longest time without data.
        options: Options for FFmpeg; by default, its decoders refuse images of more than `MAX_PIXELS`.

    Raises:
        VideoError: It is missing, empty, unfinished, or not in a format that FFmpeg reads.
    """
    timeout = timeout_s if "://" in source else None
    network = _KEEP_ALIVE if source.lower().startswith(("http:", "https:")) else {}
    try:
        container = av.open(
            to_url(source),
            mode="r",
            timeout=timeout,
            metadata_errors="replace",
            options={**network, **bound_decoders(MAX_PIXELS), **(options or {})},
        )
    except av.FFmpegError as error:
        # The error of an address holds it, and would be shown as the cause.
        raise VideoError(_explain(source, error)) from (None if "://" in source else error)
    except UnicodeEncodeError as error:
        raise VideoError(
            f"{show_address(source)}: its name is not UTF-8, as FFmpeg needs it; rename it"
        ) from error
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise VideoError(f"{show_address(source)}: a text file, not a video; give a video or images")
    return container


def pick_video_stream(source: str, container: InputContainer) -> av.VideoStream:
    """Choose the video stream: FFmpeg's choice among those that are not a cover image.

    Raises:
        VideoError: There is none, or it cannot be decoded.
    """
    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        found = ["cover image" if stream.type == "video" else stream.type for stream in container.streams]
        kinds = ", ".join(dict.fromkeys(found)) or "none"
        raise VideoError(f"{show_address(source)}: no video stream; streams found: {kinds}")
    best = container.streams.best("video")
    stream = next((stream for stream in streams if stream is best), streams[0])
    if stream.codec_context is None:
        raise VideoError(
            f"{show_address(source)}: this FFmpeg has no decoder for its video; convert it to H.264"
        )
    return stream


def read_fps(source: str, stream: av.VideoStream) -> Fraction:
    """The average frame rate of a stream, measured on its first packets if the container's rate is wrong."""
    measured = None
    has_rate = is_sane_fps(stream.average_rate) or is_sane_fps(stream.guessed_rate)
    if not has_rate and can_open_again(source):
        measured = measure_fps(_read_stamps(source, stream.index), stream.time_base or Fraction(1))
    return choose_fps(stream.average_rate, stream.guessed_rate, measured)


def read_end_s(stream: av.VideoStream) -> float | None:
    """The end of a stream's images on its container's clock, in seconds; None if unknown."""
    container = stream.container
    if container.format.name == "avi" and stream.frames and stream.time_base:
        # FFmpeg makes the duration of a file that was cut off shorter.
        return float(((stream.start_time or 0) + stream.frames) * stream.time_base)
    if stream.duration and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    tag = stream.metadata.get("DURATION")  # Matroska: 00:00:10.292000000
    if tag is not None:
        try:
            hours, minutes, seconds = tag.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except ValueError:  # free text
            return None
    if isinstance(container, InputContainer) and container.duration and len(container.streams) == 1:
        return (container.start_time + container.duration) / av.time_base
    return None


def _read_stamps(source: str, stream_index: int) -> list[int]:
    """The time stamps of a stream's first packets, in ticks; opens the container a second time."""
    pts: list[int] = []
    with open_container(source) as container, suppress(av.FFmpegError):
        for packet in container.demux(container.streams[stream_index]):
            if packet.pts is not None:
                pts.append(packet.pts)
            if len(pts) == _PACKETS_TO_MEASURE:
                break
    return pts


def _explain(source: str, error: av.FFmpegError) -> str:
    """The error message for a container that does not open: what, where, remedy."""
    if "://" in source:
        return f"{show_address(source)}: cannot be opened: {error.strerror}; check the address and the network"
    if error.errno in _SHORTAGES:
        return f"{source}: cannot be opened: {error.strerror}; close other programs, or raise the limit"
    if isinstance(error, PermissionError):
        return f"{source}: may not be read; check its permissions"
    if os.path.exists(source) and not can_open_again(source):
        return (
            f"{source}: not a video that FFmpeg can read from a pipe ({error.strerror}); send Matroska or "
            "MPEG-TS, or give a file"
        )
    try:
        size = os.path.getsize(source)
    except OSError:
        return f"{source}: no such file; check the path"
    if size == 0:
        return f"{source}: the file is empty (0 bytes); copy or record it again"
    if _is_unfinished_mp4(source, size):
        return (
            f"{source}: the recording was not finished: its index is missing (moov atom missing); "
            "copy the whole file again, or repair it with untrunc"
        )
    return f"{source}: not a video that FFmpeg can read ({error.strerror}); check the file, or convert it"


def _is_unfinished_mp4(path: str, size: int) -> bool:
    """Whether a file consists of MP4 boxes without an index (moov)."""
    position = 0
    seen: set[bytes] = set()
    with open(path, "rb") as file:
        while position + 8 <= size:
            file.seek(position)
            header = file.read(16)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if kind not in _FIRST_BOXES and not seen:
                return False
            seen.add(kind)
            if length < 8:  # 0: to the end of the file
                break
            position += length
    return bool(seen) and b"moov" not in seen
