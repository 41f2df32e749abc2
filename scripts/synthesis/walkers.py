"""People who walk straight on: who they are, and the pose and place of each at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from synthesis.bodies import Shape, move_points, turn_bones
from synthesis.pack import Floats, Pack
from synthesis.people import PersonMaker, PlacedPerson
from synthesis.poses import Poser

_ANKLES = (15, 16)
_PHASES = 48
"""In how many parts of a cycle the way is measured."""
_SMOOTH_PHASES = 2.5


@dataclass(frozen=True)
class Walk:
    """How somebody walks.

    Attributes:
        shape: The body.
        seed: Of the clothes.
        meets: x and z, metres, of where the person is at `meets_s`.
        meets_s: A time, seconds.
        turn_rad: Direction about y; 0 walks towards +z.
        cadence_hz: Cycles of two steps a second.
        reach: Length of the steps; 1 is brisk.
    """

    shape: Shape
    seed: int
    meets: tuple[float, float]
    meets_s: float
    turn_rad: float
    cadence_hz: float
    reach: float


class Walker:
    """Somebody who walks.

    Args:
        pack: The bodies.
        maker: Makes people of them.
        walk: Who, where and how.
    """

    def __init__(self, pack: Pack, maker: PersonMaker, walk: Walk) -> None:
        self._maker = maker
        self._poser = Poser(pack)
        self._walk = walk
        self.person = maker.clothe(np.random.default_rng(walk.seed), walk.shape)
        self._way = self._measure_way(pack)
        self.speed_mps = float(self._way[-1]) * walk.cadence_hz

    def find_place(self, time_s: float) -> Floats:
        """Where the person is, (3,) metres."""
        walk = self._walk
        way = self._find_way(time_s) - self._find_way(walk.meets_s)
        x, z = walk.meets
        return np.float32([x + way * np.sin(walk.turn_rad), 0, z + way * np.cos(walk.turn_rad)])

    def make(self, time_s: float) -> PlacedPerson:
        """The person at a time."""
        walk = self._walk
        phase = 2 * np.pi * self._count_cycles(time_s)
        pose = self._poser.step(phase, walk.reach)
        looks = np.random.default_rng([walk.seed, 1])
        return self._maker.pose(looks, self.person, pose, self.find_place(time_s), walk.turn_rad)

    def _count_cycles(self, time_s: float) -> float:
        return self._walk.cadence_hz * time_s + self._walk.seed * 0.06

    def _find_way(self, time_s: float) -> float:
        """Metres walked since a time before all."""
        cycles = self._count_cycles(time_s)
        part = np.interp(cycles % 1 * _PHASES, np.arange(_PHASES + 1), self._way)
        return float(np.floor(cycles) * self._way[-1] + part)

    def _measure_way(self, pack: Pack) -> Floats:
        """Metres walked at each part of a cycle: as far as the lower foot falls behind, so that it rests."""
        rest, body = self.person.rest, np.unique(pack.quads["body"])
        ankles = np.empty((_PHASES, 2, 3))
        for i in range(_PHASES):
            pose = self._poser.step(2 * np.pi * i / _PHASES, self._walk.reach)
            moved = move_points(pack.skin, turn_bones(pack, rest, pose.rotations), rest)
            ankles[i] = 0.1 * ((pack.keypoints @ moved)[list(_ANKLES)] - moved[body].mean(0))
        behind = ankles[..., 2] - np.roll(ankles[..., 2], -1, axis=0)
        lower = (ankles[..., 1] + np.roll(ankles[..., 1], -1, axis=0)).argmin(1)
        steps = gaussian_filter1d(behind[np.arange(_PHASES), lower], _SMOOTH_PHASES, mode="wrap")
        return np.concatenate([[0], np.cumsum(steps)]).astype(np.float32)
