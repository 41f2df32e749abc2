"""Why a decoder gave no image: it was of a size that the bound refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice

import av

from posetrack.video.limits import bound_decoders

_PACKETS = 16
# FFmpeg has a bound of its own as well, of about 268 million pixels.
_PATTERN = re.compile(r"Picture size (\d+)x(\d+) (?:exceeds|is invalid)")


def find_refused_size(source: str, max_pixels: int) -> tuple[int, int] | None:
    """Open a video once more and read from FFmpeg's log which size its decoder refused.

    The size is written nowhere else: FFmpeg clears it when it refuses.

    Args:
        source: What FFmpeg opens.
        max_pixels: The most pixels that are allowed.

    Returns:
        Width and height in pixels; None if no size was refused.
    """
    bound = bound_decoders(max_pixels)
    with (
        _capture_errors() as lines,
        suppress(av.FFmpegError, IndexError),
        av.open(source, options=bound, metadata_errors="replace") as container,
    ):
        stream = container.streams.video[0]
        stream.codec_context.options = bound
        for packet in islice(container.demux(stream), _PACKETS):
            stream.codec_context.decode(packet)
    for _, _, line in lines:
        if match := _PATTERN.search(line):
            return int(match[1]), int(match[2])
    return None


@contextmanager
def _capture_errors() -> Iterator[list[tuple[int, str, str]]]:
    """Collect the errors that FFmpeg logs, on any thread."""
    level, skips_repeated = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture(local=False) as lines:
            yield lines
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips_repeated)
