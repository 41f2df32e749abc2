"""Frames restored from saved results bypass the networks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from posetrack.frame import Frame
from posetrack.pipeline import FrameProcessor


def skip_restored(process: FrameProcessor) -> FrameProcessor:
    """Make a processor that passes restored frames, which come first, as they are; `process` sees the rest."""

    def process_rest(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if not frame.is_restored:
                yield from process(chain([frame], frames))
                return
            yield frame

    return process_rest
