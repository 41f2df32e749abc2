"""Tracklets: what is remembered of each track id of a run, so that broken tracks can be joined at its end."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.processors.clothes import find_clothes
from posetrack.skeleton import Skeleton
from trackers.appearance import NUM_BINS, PARTS, describe_clothes
from trackers.clock import Clock

Affine = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.float32]

Describe = Callable[[Frame, Instances], FloatArray]
"""Describes the clothes of people in a frame, (N, P, D), as `trackers.appearance.describe_clothes` does."""

_VISIBLE_SCORE = 0.2
_DESCRIBE_EVERY_S = 0.2
"""Clothes are described once in each stretch of this length, counted from 0: in which frames does not depend on
where a run begins, so parts of a run describe those that the whole one does."""
_SIGHTING_EVERY_S = 0.04
_SIGHTINGS = 8
_BLOCK_FRAMES = 256


class CameraPath:
    """Time, size and camera motion of every processed frame, a few numbers each, by position from 0.

    Times never go back, as a file's may: a step back counts as none. Motions are multiplied up from the first
    frame of a block, not of the video, so that rounding and drift never add up over more frames than lie
    between the two that are compared.
    """

    def __init__(self) -> None:
        self._times_s = array("d")
        self._shots = array("q")
        self._from_block_start = array("d")
        self._blocks: list[Affine] = []
        self._size_changes: list[tuple[int, tuple[int, int]]] = []
        self._last_s = 0.0

    def __len__(self) -> int:
        return len(self._times_s)

    def add(self, time_s: float, motion: FloatArray | None, size_wh: tuple[int, int]) -> None:
        """Add a frame.

        Args:
            time_s: Its time.
            motion: (2, 3), `Frame.background_motion`.
            size_wh: Width and height of its image.
        """
        position = len(self)
        is_cut = motion is None
        step = np.eye(3)
        if motion is not None:
            step[:2] = motion
        if position:
            step = step @ self._get_from_block_start(position - 1)
        if position and position % _BLOCK_FRAMES == 0:
            self._blocks.append(step)
            step = np.eye(3)
        passed_s = max(time_s - self._last_s, 0.0)
        self._times_s.append(self._times_s[-1] + passed_s if position else time_s)
        self._last_s = time_s
        self._shots.append((self._shots[-1] if position else 0) + (is_cut and position > 0))
        self._from_block_start.extend(step[:2].ravel().tolist())
        if not self._size_changes or self._size_changes[-1][1] != size_wh:
            self._size_changes.append((position, size_wh))

    def get_time_s(self, position: int) -> float:
        """Time of a frame."""
        return self._times_s[position]

    def get_step_s(self, position: int) -> float:
        """Time since the frame before; of the first one, until the next."""
        after = max(position, 1)
        return self._times_s[after] - self._times_s[after - 1] if after < len(self) else 0.0

    def get_shot(self, position: int) -> int:
        """Number of scene cuts up to a frame."""
        return self._shots[position]

    def get_size_wh(self, position: int) -> tuple[int, int]:
        """Width and height of a frame's image."""
        change = bisect_right(self._size_changes, position, key=lambda change: change[0]) - 1
        return self._size_changes[change][1]

    def map_between(self, start: int, end: int) -> Affine:
        """Map points of one frame to where the camera's motion takes them in another, (2, 3).

        Args:
            start: Position of the frame of the points.
            end: Position of the other frame, before or after it, in the same shot.
        """
        if end < start:
            return _invert(self.map_between(end, start))
        return np.asarray(self.map_to([end], start)[0])

    def map_to(self, ends: Sequence[int], start: int) -> Affine:
        """Map points of one frame to where they are in several later ones, (M, 2, 3).

        Args:
            ends: Positions of the other frames, ascending, none before `start`.
            start: Position of the frame of the points.
        """
        motion = np.eye(3)
        motion[:2] = _invert(self._get_from_block_start(start)[:2])
        block = start // _BLOCK_FRAMES
        maps = np.empty((len(ends), 2, 3))
        for i, end in enumerate(ends):
            while block < end // _BLOCK_FRAMES:
                motion = self._blocks[block] @ motion
                block += 1
            maps[i] = (self._get_from_block_start(end) @ motion)[:2]
        return maps

    def _get_from_block_start(self, position: int) -> Affine:
        values = self._from_block_start[6 * position : 6 * position + 6]
        return np.array([values[:3], values[3:], (0.0, 0.0, 1.0)])


class Sighting(NamedTuple):
    """Where a person was in one frame: its position and time, and the person's box in pixels."""

    position: int
    time_s: float
    box_xyxy: tuple[float, float, float, float]


@dataclass(eq=False)
class Tracklet:
    """What is remembered of one track id.

    Attributes:
        track_id: The id.
        first: Position of the first frame with it.
        last: Position of the last frame with it.
        num_frames: Number of frames with it, without those in which the person is interpolated.
        num_short_gaps: Number of gaps that may be filled.
        head: The first sightings, 0.04 s or more apart.
        tail: The last sightings, likewise.
        seen_s: Time for which they were seen: the sum of the steps to those frames, late ones as usual ones.
        appearance: (P, D) float32, sum of the descriptions of the person's clothes.
    """

    track_id: int
    first: int
    last: int
    num_frames: int = 0
    num_short_gaps: int = 0
    seen_s: float = 0.0
    head: list[Sighting] = field(default_factory=list)
    tail: deque[Sighting] = field(default_factory=lambda: deque(maxlen=_SIGHTINGS))
    appearance: FloatArray = field(default_factory=lambda: np.zeros((PARTS, NUM_BINS), np.float32))
    described_in: int | None = None

    def see(self, sighting: Sighting) -> None:
        """Remember where the person is."""
        self.last = sighting.position
        times_s = [seen.time_s for seen in self.head[-1:]]
        if len(self.head) < _SIGHTINGS and all(
            sighting.time_s - s >= _SIGHTING_EVERY_S - 1e-3 for s in times_s
        ):
            self.head.append(sighting)
        # The newest one always counts; it replaces one that is too close to the one before.
        if len(self.tail) > 1 and self.tail[-1].time_s - self.tail[-2].time_s < _SIGHTING_EVERY_S - 1e-3:
            self.tail.pop()
        self.tail.append(sighting)


class TrackletCollector:
    """A sink that remembers tracklets and the camera's path.

    Memory grows by a few kB with a track, and by 64 bytes with a frame.

    Args:
        skeleton: The keypoints; the torso's are looked up.
        max_interpolated_s: Largest time between two sightings of a gap that may be filled.
        look_at_images: Whether clothes are described; without, appearances are unknown.
        describe: Describes them; None looks at the frames' images.

    Attributes:
        tracklets: By track id.
        path: The camera's path.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        max_interpolated_s: float,
        look_at_images: bool = True,
        describe: Describe | None = None,
    ) -> None:
        self.tracklets: dict[int, Tracklet] = {}
        self.path = CameraPath()
        self._max_interpolated_s = max_interpolated_s
        self._describe = (describe or ClothesDescriber(skeleton)) if look_at_images else None
        self._clock = Clock()

    def __call__(self, frame: Frame) -> None:
        """Remember the people of the next frame."""
        position = len(self.path)
        self.path.add(frame.time_s, frame.background_motion, frame.size_wh)
        time_s = self.path.get_time_s(position)
        step = self._clock.tick(frame.time_s)
        # Nobody was seen during the rest of a late step.
        seen_s = step.usual_s if step.is_late else self.path.get_step_s(position)
        people = frame.instances
        if people.track_ids is None or people.boxes_xyxy is None:
            return
        due: list[int] = []
        for row, (track_id, box) in enumerate(
            zip(people.track_ids.tolist(), people.boxes_xyxy.tolist(), strict=True)
        ):
            if track_id == UNTRACKED:
                continue
            tracklet = self.tracklets.setdefault(track_id, Tracklet(track_id, position, position))
            if is_short_gap(self.path, tracklet.last, position, self._max_interpolated_s):
                tracklet.num_short_gaps += 1
            tracklet.see(Sighting(position, time_s, tuple(box)))
            if people.is_interpolated is None or not people.is_interpolated[row]:
                tracklet.num_frames += 1
                tracklet.seen_s += seen_s
                stretch = math.floor((time_s + 1e-3) / _DESCRIBE_EVERY_S)
                if tracklet.described_in != stretch:
                    tracklet.described_in = stretch
                    due.append(row)
        if due and self._describe is not None:
            due_ids = people.track_ids[due].tolist()
            for track_id, description in zip(due_ids, self._describe(frame, people[due]), strict=True):
                self.tracklets[track_id].appearance += description


class ClothesDescriber:
    """Describes the clothes of people as an image shows them.

    Args:
        skeleton: The keypoints; the torso's are looked up.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._corners = find_clothes(skeleton)

    def __call__(self, frame: Frame, people: Instances) -> FloatArray:
        """Describe people; see `Describe`."""
        assert people.boxes_xyxy is not None
        N = len(people)
        xy, scores, corners = people.keypoints_xy, people.keypoint_scores, self._corners
        if xy is None or scores is None:
            xy, scores, corners = np.zeros((N, 0, 2), np.float32), np.zeros((N, 0), np.float32), None
        return describe_clothes(frame.image, people.boxes_xyxy, xy, scores >= _VISIBLE_SCORE, corners)


def is_short_gap(path: CameraPath, before: int, after: int, max_interpolated_s: float) -> bool:
    """Whether the frames between two sightings may be filled: there are some, few, and no cut.

    Frames whose clock stands still are not filled: nobody knows how many are few.
    """
    return (
        after - before > 1
        and 0 < path.get_time_s(after) - path.get_time_s(before) <= max_interpolated_s + 1e-3
        and path.get_shot(after) == path.get_shot(before)
    )


def _invert(affine: Affine) -> Affine:
    """The inverse of an affine map (2, 3); of one without extent, the identity."""
    linear, shift = affine[:, :2], affine[:, 2:]
    if abs(np.linalg.det(linear)) < 1e-12:
        return np.eye(2, 3)
    inverse = np.linalg.inv(linear)
    return np.concatenate([inverse, -inverse @ shift], axis=1)
