"""Processors of the user's own: what they give is checked, and saved frames keep their people."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from posetrack.errors import PoseTrackError
from posetrack.frame import Frame, Instances, IntArray
from posetrack.pipeline import FrameProcessor


class OwnProcessors:
    """Processors of the user's own, as one.

    Each gives every frame once and in order, with an image of the same size and people of the same skeleton.
    Of restored frames, which it has seen in an earlier run or pass, only what it does to the image is taken.

    Args:
        processors: Applied first to last.

    Attributes:
        removes_people: Whether one has left out people who had been tracked.
        changes_images: Whether one has changed an image.
    """

    def __init__(self, processors: Sequence[FrameProcessor]) -> None:
        self._processors = tuple(processors)
        self.removes_people = False
        self.changes_images = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the processors, for the header of results."""
        return tuple(_name(process) for process in self._processors)

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Apply the processors.

        Raises:
            PoseTrackError: A processor gives other frames than it should.
        """
        for process in self._processors:
            frames = self._apply(process, frames)
        return frames

    def _apply(self, process: FrameProcessor, frames: Iterator[Frame]) -> Iterator[Frame]:
        given: deque[Frame] = deque()

        def watch() -> Iterator[Frame]:
            for frame in frames:
                given.append(frame)
                yield frame

        name = _name(process)
        made = process(watch())
        if not isinstance(made, Iterator):
            raise PoseTrackError(f"{name}: gave {type(made).__name__}; a processor yields frames")
        for frame in made:
            if not isinstance(frame, Frame) or not given or frame.index != given[0].index:
                found = f"frame {frame.index}" if isinstance(frame, Frame) else type(frame).__name__
                wanted = f"frame {given[0].index}" if given else "no more frames"
                raise PoseTrackError(f"{name}: gave {found}, not {wanted}; yield every frame once, in order")
            before = given.popleft()
            _check(before, frame, name)
            self.changes_images |= frame.image is not before.image
            if before.is_restored:
                yield replace(before, image=frame.image)
            else:
                ids, ids_after = _list_ids(before.instances), _list_ids(frame.instances)
                self.removes_people |= not np.isin(ids, ids_after).all()
                yield frame
        if given:
            raise PoseTrackError(f"{name}: left out frame {given[0].index}; yield every frame once, in order")


def _check(before: Frame, after: Frame, name: str) -> None:
    where, image, xy = f"{name}: frame {before.index}", after.image, after.instances.keypoints_xy
    if image.shape != before.image.shape or image.dtype != np.uint8:
        raise PoseTrackError(
            f"{where}: the image became {image.shape} {image.dtype}; keep its size {before.image.shape}, uint8"
        )
    K = None if before.skeleton is None else before.skeleton.num_keypoints
    if xy is not None and K is not None and xy.shape[1] != K:
        raise PoseTrackError(f"{where}: {xy.shape[1]} keypoints a person; keep the skeleton's {K}")


def _list_ids(people: Instances) -> IntArray:
    return np.zeros(0, np.int64) if people.track_ids is None else people.track_ids


def _name(process: FrameProcessor) -> str:
    return str(getattr(process, "__qualname__", type(process).__qualname__)).replace("<locals>.", "")
