"""Find the people of each frame, several frames to one call of the detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from posetrack.frame import Frame, ImageArray, Instances
from posetrack.pipeline import FrameProcessor, batched

Detector = Callable[[Sequence[ImageArray]], list[Instances]]
"""Pictures in; for each the people in it, with `boxes_xyxy` and `box_scores` at least."""


def detect(detector: Detector, *, batch_frames: int) -> FrameProcessor:
    """Make the processor that finds people.

    Args:
        detector: Called with up to `batch_frames` pictures at once.
        batch_frames: Frames held back for one call.

    Returns:
        A processor that replaces the instances of each frame.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        for batch in batched(frames, batch_frames):
            people = detector([frame.image for frame in batch])
            for frame, instances in zip(batch, people, strict=True):
                yield replace(frame, instances=instances)

    return process
