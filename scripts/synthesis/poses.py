"""Poses: blends of the pack's, and walking, sitting, reaching from joint angles, with noise in limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from synthesis.pack import Floats, Pack

Doubles = npt.NDArray[np.float64]

_SIDES = (("L", 1.0), ("R", -1.0))
_LIMITS_RAD = {
    **dict.fromkeys(("spine", "neck", "head", "pelvis", "clavicle", "shoulder"), 0.5),
    **dict.fromkeys(("foot", "wrist"), 0.9),
}
_NOISE_RAD = {
    **dict.fromkeys(("spine", "neck", "clavicle", "shoulder"), 0.05),
    **dict.fromkeys(("head", "wrist", "foot"), 0.15),
    **dict.fromkeys(("upperarm01", "upperleg01"), 0.14),
    **dict.fromkeys(("finger", "toe"), 0.05),
}
_RARITY = {"fly": 0.3, "benchmark": 0.3, "tpose": 0.4}
_LEAST_BEND_RAD = -0.1
_MOST_BEND_RAD = 2.3
_ON_GROUND_RAD = 1.15 * np.pi
"""The part of a cycle of two steps in which a foot is on the ground."""


@dataclass(frozen=True)
class Pose:
    """How a person is.

    Attributes:
        rotations: (B, 3) rotation vectors.
        is_seated: Whether the hips rest on something.
        is_airborne: Whether the feet may be off the ground.
    """

    rotations: Floats
    is_seated: bool = False
    is_airborne: bool = False


class Poser:
    """Draws poses for the bones of a pack."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._index = {name: i for i, name in enumerate(pack.bone_names)}
        self._mirror = np.array([self._index.get(_swap(name), i) for name, i in self._index.items()])
        self._hinges = {
            f"{name}.{side}": axis
            for side, sign in _SIDES
            for name, axis in (("lowerarm01", self._find_elbow(side)), ("lowerleg01", np.array([1.0, 0, 0])))
        }

    def draw(self, rng: np.random.Generator) -> Pose:
        """Draw a pose."""
        kind = rng.choice(("pack", "stand", "walk", "sit", "reach"), p=(0.42, 0.16, 0.16, 0.12, 0.14))
        is_seated = is_airborne = False
        if kind == "pack":
            names = sorted(self._pack.poses)
            rarity = np.array([next((v for k, v in _RARITY.items() if k in name), 1.0) for name in names])
            first, second = rng.choice(names, 2, p=rarity / rarity.sum())
            fraction = rng.beta(0.6, 0.6)
            rotations = (self._pack.poses[first] * fraction + self._pack.poses[second] * (1 - fraction)).astype(
                np.float64
            )
            sitting = fraction * ("sit" in first) + (1 - fraction) * ("sit" in second)
            is_seated = bool(sitting > 0.6)
            is_airborne = any("fly" in name for name in (first, second))
        else:
            rotations = np.zeros((len(self._index), 3))
            getattr(self, f"_{kind}")(rng, rotations)
            is_seated = kind == "sit"
        if rng.random() < 0.5:
            rotations = rotations[self._mirror] * (1, -1, -1)
        self._disturb(rng, rotations)
        return Pose(rotations.astype(np.float32), is_seated, is_airborne)

    def step(self, phase_rad: float, reach: float) -> Pose:
        """The pose of somebody walking.

        Args:
            phase_rad: Where in the cycle of two steps; at 0 the left heel strikes, at pi the right one.
            reach: Length of the steps; 1 is brisk.
        """
        rotations = np.zeros((len(self._index), 3))
        for side, sign in _SIDES:
            phase = (phase_rad + (0.0 if sign > 0 else np.pi)) % (2 * np.pi)
            ahead = _swing(phase)
            thigh = -0.08 - 0.42 * reach * ahead
            knee = 0.06 + 0.14 * _bump(phase, 0.5, 0.5) + (0.35 + 0.65 * reach) * _bump(phase, 4.5, 0.75)
            # The foot strikes with the heel, lies flat, and pushes off with the toes.
            sole = -0.28 * _bump(phase, 0.0, 0.35) + 0.75 * reach * _bump(phase, 3.65, 0.6)
            self._swing_leg(rotations, side, thigh, knee)
            self._compose(rotations, f"foot.{side}", (sole - thigh - knee, 0, 0))
            self._raise_arm(rotations, side, -0.55, 0.08 + 0.42 * reach * ahead)
            self._bend(rotations, f"lowerarm01.{side}", 0.15 + 0.3 * reach * max(0.0, -ahead))
        self._lean(rotations, 0.04 + 0.03 * reach, 0.12 * reach * float(np.cos(phase_rad)))
        return Pose(rotations.astype(np.float32))

    def _stand(self, rng: np.random.Generator, rotations: Doubles) -> None:
        for side, _ in _SIDES:
            lift = rng.choice((-0.5, -0.3, 0.1), p=(0.7, 0.2, 0.1)) + rng.normal(0, 0.08)
            self._raise_arm(rotations, side, lift, rng.normal(-0.1, 0.2))
            self._bend(rotations, f"lowerarm01.{side}", rng.choice((0.0, 0.3, 1.5), p=(0.5, 0.3, 0.2)))
            self._swing_leg(rotations, side, rng.normal(-0.03, 0.06), abs(rng.normal(0, 0.06)))
        self._lean(rotations, rng.normal(0, 0.12), rng.normal(0, 0.15))

    def _walk(self, rng: np.random.Generator, rotations: Doubles) -> None:
        stride = rng.uniform(0.25, 0.95)
        phase = rng.choice((-1, 1))
        for side, sign in _SIDES:
            forward = sign * phase
            self._swing_leg(
                rotations,
                side,
                -0.55 * stride * forward - 0.1,
                max(0.05, -forward * rng.uniform(0.3, 1.6) * stride),
            )
            self._raise_arm(rotations, side, -0.48 + rng.normal(0, 0.05), 0.6 * stride * forward)
            self._bend(rotations, f"lowerarm01.{side}", rng.uniform(0.1, 1.2) * stride)
        self._lean(rotations, 0.15 * stride, rng.normal(0, 0.1))

    def _sit(self, rng: np.random.Generator, rotations: Doubles) -> None:
        thighs = rng.uniform(-1.75, -1.2)
        for side, sign in _SIDES:
            self._swing_leg(rotations, side, thighs + rng.normal(0, 0.08), rng.uniform(0.9, 1.8))
            self._compose(rotations, f"upperleg01.{side}", (0, sign * rng.uniform(-0.05, 0.35), 0))
            self._raise_arm(rotations, side, -0.5 + rng.normal(0, 0.1), rng.uniform(-0.9, 0.0))
            self._bend(rotations, f"lowerarm01.{side}", rng.uniform(0.2, 1.5))
        self._lean(rotations, rng.normal(0.05, 0.2), rng.normal(0, 0.15))

    def _reach(self, rng: np.random.Generator, rotations: Doubles) -> None:
        self._stand(rng, rotations)
        for side, _ in _SIDES:
            if rng.random() < 0.75:
                rotations[[self._index[f"{name}.{side}"] for name in ("upperarm01", "lowerarm01")]] = 0
                self._raise_arm(rotations, side, rng.uniform(-0.3, 1.9), rng.uniform(-1.4, 0.3))
                self._bend(rotations, f"lowerarm01.{side}", rng.choice((0.1, 0.8, 1.9)) + rng.normal(0, 0.1))
        if rng.random() < 0.35:
            bend = rng.uniform(0.3, 1.5)
            for side, _ in _SIDES:
                self._swing_leg(rotations, side, -bend, 1.6 * bend * rng.uniform(0.8, 1.1))
            self._lean(rotations, rng.uniform(0.1, 0.6), rng.normal(0, 0.2))

    def _raise_arm(self, rotations: Doubles, side: str, up: float, back: float) -> None:
        """Turn an upper arm up from the rest pose, half way down, and then back about the body's axis x."""
        sign = dict(_SIDES)[side]
        turn = Rotation.from_rotvec((back, 0, 0)) * Rotation.from_rotvec((0, 0, sign * up))
        # Above the shoulder, the shoulder goes along.
        self._compose(rotations, f"clavicle.{side}", (0, 0, sign * 0.25 * max(0.0, up - 0.6)))
        self._compose(rotations, f"upperarm01.{side}", turn.as_rotvec())

    def _swing_leg(self, rotations: Doubles, side: str, forward: float, knee: float) -> None:
        self._compose(rotations, f"upperleg01.{side}", (forward, 0, 0))
        self._bend(rotations, f"lowerleg01.{side}", knee)

    def _bend(self, rotations: Doubles, name: str, angle: float) -> None:
        rotations[self._index[name]] = self._hinges[name] * np.clip(angle, _LEAST_BEND_RAD, _MOST_BEND_RAD)

    def _lean(self, rotations: Doubles, forward: float, twist: float) -> None:
        spine = [name for name in self._index if name.startswith("spine")]
        for name in spine:
            rotations[self._index[name]] += np.array([forward, twist, 0]) / len(spine)

    def _compose(self, rotations: Doubles, name: str, turn: object) -> None:
        place = self._index.get(name)
        if place is not None:
            both = Rotation.from_rotvec(turn) * Rotation.from_rotvec(rotations[place])
            rotations[place] = both.as_rotvec()

    def _disturb(self, rng: np.random.Generator, rotations: Doubles) -> None:
        for name, place in self._index.items():
            noise = rng.normal(0, 1, 3)
            if name in self._hinges:  # A hinge stays one: noise about its axis alone.
                axis = self._hinges[name]
                rest = rotations[place] - axis * (rotations[place] @ axis)
                angle = np.clip(rotations[place] @ axis + 0.12 * noise[0], _LEAST_BEND_RAD, _MOST_BEND_RAD)
                rotations[place] = 0.9 * rest + axis * angle
                continue
            size = next((value for part, value in _NOISE_RAD.items() if name.startswith(part)), 0.0)
            rotations[place] += size * noise
            limit = next((value for part, value in _LIMITS_RAD.items() if name.startswith(part)), np.pi)
            angle = float(np.linalg.norm(rotations[place]))
            if angle > limit:
                rotations[place] *= limit / angle
        grip = rng.beta(1, 3) * rng.choice((0, 1))
        for side, sign in _SIDES:
            for finger in "2345":
                for joint in "123":
                    place = self._index.get(f"finger{finger}-{joint}.{side}")
                    if place is not None:
                        rotations[place] += (0.8 * grip, 0, -sign * 0.8 * grip)

    def _find_elbow(self, side: str) -> Doubles:
        shoulder, elbow, wrist = (
            self._pack.find_head(f"{name}.{side}").astype(np.float64)
            for name in ("upperarm01", "lowerarm01", "wrist")
        )
        axis = np.cross(elbow - shoulder, wrist - elbow)
        length = np.linalg.norm(axis)
        return axis / length if length > 1e-3 else np.array([-1.0, 0, 0])


def _swing(phase_rad: float) -> float:
    """How far ahead a leg is, 1 to -1: steadily back on the ground, and then ahead through the air."""
    if phase_rad < _ON_GROUND_RAD:
        return 1 - 2 * phase_rad / _ON_GROUND_RAD
    return float(-np.cos(np.pi * (phase_rad - _ON_GROUND_RAD) / (2 * np.pi - _ON_GROUND_RAD)))


def _bump(phase_rad: float, middle_rad: float, width_rad: float) -> float:
    """1 at a place of a cycle, and 0 away from it."""
    away = (phase_rad - middle_rad + np.pi) % (2 * np.pi) - np.pi
    return float(np.exp(-((away / width_rad) ** 2)))


def _swap(name: str) -> str:
    if name.endswith((".L", ".R")):
        return name[:-1] + ("R" if name.endswith("L") else "L")
    return name
