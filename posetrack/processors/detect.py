"""The processor that detects the people of each frame, with several frames in one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from posetrack.frame import Frame, Instances
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.networks import Detector

ChooseFrame = Callable[[Frame], bool]
"""Called with the frames of a video, in order; tells whether to detect people in them."""


def detect(
    detector: Detector, *, batch_frames: int, start: Callable[[], ChooseFrame] | None = None
) -> FrameProcessor:
    """Make the processor of detection.

    Args:
        detector: Called with up to `batch_frames` images at once.
        batch_frames: Number of images held back for one call, with the frames between them.
        start: Called for each video; makes what chooses its frames. In the others the tracker propagates the
            people of the previous frame. By default all are chosen.

    Returns:
        A processor that replaces the instances of each frame.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        held: list[Frame] = []
        wanted: list[bool] = []
        choose = _choose_all if start is None else start()
        for frame in frames:
            is_due = choose(frame)
            held.append(frame)
            wanted.append(is_due)
            # Frames without detection only wait for those before them.
            if sum(wanted) in (0, batch_frames):
                yield from detect_frames(detector, held, wanted)
                held, wanted = [], []
        yield from detect_frames(detector, held, wanted)

    return process


def detect_frames(detector: Detector, frames: Sequence[Frame], wanted: Sequence[bool]) -> Iterator[Frame]:
    """Detect the people of some frames in one call.

    Args:
        detector: Called with the images of these frames, if there are any.
        frames: The frames.
        wanted: Of each frame, whether it is one of these.

    Yields:
        All frames, with nobody in the others.
    """
    images = [frame.image for frame, is_wanted in zip(frames, wanted, strict=True) if is_wanted]
    people = iter(detector(images) if images else ())
    for frame, is_wanted in zip(frames, wanted, strict=True):
        yield replace(frame, instances=next(people) if is_wanted else Instances.empty())


def _choose_all(frame: Frame) -> bool:
    return True
