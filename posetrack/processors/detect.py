"""The processor that detects the people of each frame, with several frames in one batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from posetrack.frame import Frame, Instances
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.networks import Detector
from trackers.clock import FRAME_S


def detect(detector: Detector, *, batch_frames: int, det_every: int = 1) -> FrameProcessor:
    """Make the processor of detection.

    Args:
        detector: Called with up to `batch_frames` images at once.
        batch_frames: Number of images held back for one call, with the frames between them.
        det_every: Detect people in every n-th frame only, but no less often than at 25 frames a second:
            after a late frame it may be sooner. In the others the tracker propagates the people of the previous
            frame.

    Returns:
        A processor that replaces the instances of each frame.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        held: list[Frame] = []
        wanted: list[bool] = []
        since, last_s = det_every, 0.0
        for frame in frames:
            since += 1
            is_due = since >= det_every or frame.time_s - last_s >= det_every * FRAME_S - 1e-3
            if is_due:
                since, last_s = 0, frame.time_s
            held.append(frame)
            wanted.append(is_due)
            # Frames without detection only wait for those before them.
            if sum(wanted) in (0, batch_frames):
                yield from _detect_frames(detector, held, wanted)
                held, wanted = [], []
        yield from _detect_frames(detector, held, wanted)

    return process


def _detect_frames(detector: Detector, frames: list[Frame], wanted: list[bool]) -> Iterator[Frame]:
    images = [frame.image for frame, is_wanted in zip(frames, wanted, strict=True) if is_wanted]
    people = iter(detector(images) if images else ())
    for frame, is_wanted in zip(frames, wanted, strict=True):
        yield replace(frame, instances=next(people) if is_wanted else Instances.empty())
