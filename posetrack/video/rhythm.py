"""The rhythm of a stream's time stamps: whether it is steady, so that a long gap is a hole in the file.

Variable rates are common: screen recorders leave out images that do not change, phones drop some. Where the
rate is steady but for very few gaps, or the file's bytes show that something is lost, a gap is a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np

from posetrack.video.container import can_open_again, find_path, open_container
from posetrack.video.structure import find_damage, is_cut

LONG_GAP = 1.5
"""Times the usual gap: what lasts longer is a long gap."""

_MIN_GAPS = 10
_TOLERANCE = 0.1
_MAX_ODD = 0.05
_MAX_PAUSES = 2
_GAPS_PER_PAUSE = 50
_GAPS_PER_HOLE = 5
_MAX_PACKETS = 20_000
# Between packets of these containers stand only short headers; more bytes than that belong to a lost packet.
_CHUNKED_FORMATS = frozenset({"matroska", "flv"})
_MAX_HEADER_BYTES = 256


@dataclass(frozen=True)
class Rhythm:
    """The rhythm of a stream.

    Attributes:
        step_s: The usual time from one image to the next.
        is_steady: Whether the images come at this rate, except for a few long gaps.
    """

    step_s: float
    is_steady: bool


def measure_rhythm(times_s: Sequence[float], *, resolution_s: float, is_torn: bool = False) -> Rhythm | None:
    """Measure the rhythm of images.

    Args:
        times_s: Times of the images, in ascending order.
        resolution_s: A tick of their clock: they are rounded to it.
        is_torn: Whether parts of the file are known to be lost, so that it may have many holes.

    Returns:
        The rhythm; None of too few images.
    """
    gaps_s = np.diff(np.asarray(times_s, np.float64))
    gaps_s = gaps_s[gaps_s > 0]
    if len(gaps_s) < _MIN_GAPS:
        return None
    step_s = float(np.median(gaps_s))
    num_long = np.count_nonzero(gaps_s > LONG_GAP * step_s)
    is_even = np.abs(gaps_s - step_s) <= _TOLERANCE * step_s + resolution_s
    num_even = np.count_nonzero(is_even)
    if num_even:
        step_s = float(gaps_s[is_even].mean())  # the median is rounded to a tick: 33 ms instead of 33.3
    num_odd = len(gaps_s) - num_even - num_long
    most = len(gaps_s) / _GAPS_PER_HOLE if is_torn else min(_MAX_PAUSES, len(gaps_s) / _GAPS_PER_PAUSE)
    return Rhythm(step_s, bool(num_odd <= _MAX_ODD * len(gaps_s) and num_long <= most))


def survey_rhythm(source: str, stream_index: int) -> Rhythm | None:
    """Measure the rhythm of a file's first 20,000 images, without decoding them; opens the file once more.

    Args:
        source: The file.
        stream_index: Its video stream.

    Returns:
        The rhythm; None if the file cannot be opened again (a pipe, a URL), or has too few images.
    """
    if not can_open_again(source):
        return None
    stamps: list[int] = []
    with open_container(source) as container:
        if stream_index >= len(container.streams):  # found behind the beginning only
            return None
        stream = container.streams[stream_index]
        formats = set(container.format.name.split(","))
        is_torn = bool(is_cut(find_path(source), container.format.name)) or find_damage(
            find_path(source), container.format.name
        )
        end: int | None = None
        try:
            for packet in container.demux():
                if not packet.size:
                    continue
                if packet.pos is not None and not _CHUNKED_FORMATS.isdisjoint(formats):
                    is_torn |= end is not None and packet.pos - end > _MAX_HEADER_BYTES
                    end = packet.pos + packet.size
                if packet.stream_index == stream_index and not packet.is_discard and packet.pts is not None:
                    stamps.append(packet.pts)
                if len(stamps) == _MAX_PACKETS:
                    break
        except (av.FFmpegError, IndexError):  # the latter by PyAV, of a stream that appears later
            is_torn = True
        tick_s = float(stream.time_base or 0)
    return measure_rhythm([stamp * tick_s for stamp in sorted(stamps)], resolution_s=tick_s, is_torn=is_torn)
