"""The processor that detects the people of each frame, with several frames in one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from posetrack.frame import Frame, Instances
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.networks import Detector
from trackers.clock import FRAME_S


def detect(
    detector: Detector,
    *,
    batch_frames: int,
    det_every: int = 1,
    start: Callable[[], Callable[[Frame], bool]] | None = None,
) -> FrameProcessor:
    """Make the processor of detection.

    Args:
        detector: Called with up to `batch_frames` images at once.
        batch_frames: Number of images held back for one call, with the frames between them.
        det_every: Detect people in every n-th frame only, but no less often than at 25 frames a second:
            after a late frame it may be sooner. In the others the tracker propagates the people of the previous
            frame.
        start: Called for each video; makes what is called with its frames, in order, and tells whether to
            detect people in them. Instead of `det_every`.

    Returns:
        A processor that replaces the instances of each frame.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        held: list[Frame] = []
        wanted: list[bool] = []
        choose = _EveryNth(det_every) if start is None else start()
        for frame in frames:
            is_due = choose(frame)
            held.append(frame)
            wanted.append(is_due)
            # Frames without detection only wait for those before them.
            if sum(wanted) in (0, batch_frames):
                yield from _detect_frames(detector, held, wanted)
                held, wanted = [], []
        yield from _detect_frames(detector, held, wanted)

    return process


class _EveryNth:
    """Chooses every n-th frame, and those that come late."""

    def __init__(self, det_every: int) -> None:
        self._det_every = det_every
        self._since, self._last_s = det_every, 0.0

    def __call__(self, frame: Frame) -> bool:
        self._since += 1
        is_late = frame.time_s - self._last_s >= self._det_every * FRAME_S - 1e-3
        if self._since < self._det_every and not is_late:
            return False
        self._since, self._last_s = 0, frame.time_s
        return True


def _detect_frames(detector: Detector, frames: list[Frame], wanted: list[bool]) -> Iterator[Frame]:
    images = [frame.image for frame, is_wanted in zip(frames, wanted, strict=True) if is_wanted]
    people = iter(detector(images) if images else ())
    for frame, is_wanted in zip(frames, wanted, strict=True):
        yield replace(frame, instances=next(people) if is_wanted else Instances.empty())
