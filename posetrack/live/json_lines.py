"""Poses as JSON lines into a pipe: what `poses.jsonl` holds, while it happens."""

from __future__ import annotations

from typing import BinaryIO

from posetrack.live.session import LiveFrame
from posetrack.results.jsonl import make_header_line, make_record_line
from posetrack.results.record import Header
from posetrack.skeleton import Skeleton
from posetrack.video.live import NOMINAL_FPS

_NAME = "--json -"


class JsonLines:
    """Writes a header with the first image, then a line a frame, each at once.

    Frames are numbered as they were captured, with their moment of capture in seconds: numbers are left out
    where frames were dropped. The rate in the header is nominal; its size and recipe are those of the first
    image.

    Args:
        file: Unbuffered, so that a reader who does not read holds nothing but the thread that shows; it is
            not closed.
        source: What the header calls the source.
        skeleton: The keypoints.
        recipe: What the header calls the recipe.
    """

    def __init__(self, file: BinaryIO, *, source: str, skeleton: Skeleton, recipe: str) -> None:
        self._file = file
        self._source = source
        self._skeleton = skeleton
        self._recipe = recipe
        self._has_header = False

    def show(self, shown: LiveFrame) -> None:
        """Write the people of an image.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        frame = shown.frame
        if not self._has_header:
            self._has_header = True
            width, height = frame.size_wh
            header = Header(self._source, width, height, NOMINAL_FPS, self._skeleton, self._recipe)
            self._write(make_header_line(header, _NAME))
        self._write(make_record_line(frame.index, frame.time_s, frame.instances, _NAME))

    def close(self) -> None:
        """Nothing is left to do."""

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
        self._file.flush()
