"""Poses as JSON lines written to a pipe in real time, in the format of `poses.jsonl`."""

from __future__ import annotations

from typing import BinaryIO

from posetrack.live.session import LiveFrame
from posetrack.results.jsonl import make_header_line, make_record_line
from posetrack.results.record import Header, Record
from posetrack.skeleton import Skeleton
from posetrack.video.live import NOMINAL_FPS

_NAME = "--json -"


class JsonLines:
    """Writes a header with the first image, then one line per frame, unbuffered.

    `frame` is the index of the captured image and `time` its moment of capture in seconds, so both have gaps
    where frames were dropped. The rate in the header is nominal; its size and recipe are those of the first
    image.

    Args:
        file: An unbuffered binary file: a reader that is slow blocks the output thread only. It is not closed.
        source: Name of the source for the header.
        skeleton: Skeleton of the keypoints.
        recipe: Name of the recipe for the header.
    """

    def __init__(self, file: BinaryIO, *, source: str, skeleton: Skeleton, recipe: str) -> None:
        self._file = file
        self._source = source
        self._skeleton = skeleton
        self._recipe = recipe
        self._header: Header | None = None

    def show(self, shown: LiveFrame) -> None:
        """Write the people of an image.

        Raises:
            BrokenPipeError: The reader has closed the pipe.
        """
        frame = shown.frame
        if self._header is None:
            width, height = frame.size_wh
            self._header = Header(self._source, width, height, NOMINAL_FPS, self._skeleton, self._recipe)
            self._write(make_header_line(self._header, _NAME))
        record = Record(frame.index, frame.time_s, frame.instances, frame.size_wh, frame.faces_xyxy)
        self._write(make_record_line(record, self._header, _NAME))

    def close(self) -> None:
        """Do nothing: every line is already written."""

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]
        self._file.flush()
