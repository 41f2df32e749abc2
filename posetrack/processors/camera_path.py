"""The camera's path over the frames of a run: times, shots and motion, by position."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Affine = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.float32]

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
