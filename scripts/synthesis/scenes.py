"""Scenes: who and what is where, what lights it, and the camera that looks at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from synthesis.cameras import Camera, aim_camera
from synthesis.looks import Look, make_thing_look
from synthesis.meshes import Surface, make_box, make_round, make_thing
from synthesis.pack import Floats
from synthesis.people import PersonMaker, PlacedPerson

_STANDING_M = 1.7
_LEAST_DISTANCE_M = 0.9
_FURTHEST_DOWN_RAD = 0.9
_NOBODY = -1


@dataclass(frozen=True, eq=False)
class Light:
    """A far light.

    Attributes:
        towards: (3,) unit vector from the scene to it.
        colour: (3,), blue first.
        has_shadow: Whether what is in its way is dark.
    """

    towards: Floats
    colour: Floats
    has_shadow: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """What a camera sees.

    Attributes:
        parts: Surfaces with their looks and the number of the person they belong to, -1 for things.
        people: The people.
        camera: The camera.
        lights: Far lights.
        ambient: (2, 3), light from above and from below, blue first.
        has_ground: Whether shadows fall on the ground, y = 0.
    """

    parts: tuple[tuple[Surface, Look, int], ...]
    people: tuple[PlacedPerson, ...]
    camera: Camera
    lights: tuple[Light, ...]
    ambient: Floats
    has_ground: bool


class SceneMaker:
    """Draws scenes of one to four people.

    Args:
        maker: Makes the people.
        least_px: Least height of a whole standing person in the image.
    """

    def __init__(self, maker: PersonMaker, least_px: float = 40.0) -> None:
        self._maker = maker
        self._least_px = least_px

    def draw(self, rng: np.random.Generator, size_wh: tuple[int, int]) -> Scene:
        """Draw a scene; the camera looks along -z."""
        width, height = size_wh
        focal = float(max(size_wh) * np.exp(rng.uniform(np.log(0.65), np.log(1.7))))
        tall_px, aim_height = self._draw_size(rng, height)
        distance = max(_LEAST_DISTANCE_M, focal * _STANDING_M / tall_px)
        camera_height = self._draw_camera_height(rng, distance)
        at_px = np.array([width, height]) * (0.5 + rng.normal(0, 1, 2) * (0.16, 0.06)).clip(0.12, 0.88)
        target = np.float32([0, aim_height, -distance])
        place = np.float32([0, camera_height, 0])
        roll = float(rng.normal(0, 0.04) if rng.random() < 0.85 else rng.normal(0, 0.2))
        camera = aim_camera(size_wh, focal, place, (target, at_px), roll)
        people = [
            self._maker.make(rng, spot, self._draw_turn(rng, spot))
            for spot in self._draw_spots(rng, camera, distance)
        ]
        parts = [
            (surface, look, number) for number, person in enumerate(people) for surface, look in person.parts
        ]
        parts += [(*thing, _NOBODY) for thing in self._draw_things(rng, camera, people, distance)]
        lights, ambient = self._draw_lights(rng)
        return Scene(tuple(parts), tuple(people), camera, lights, ambient, has_ground=bool(rng.random() < 0.8))

    def _draw_size(self, rng: np.random.Generator, height: int) -> tuple[float, float]:
        """Height of a standing person at the main place, px, and the height that the camera aims at, m."""
        if rng.random() < 0.25:  # Near ones, of whom part is in the image.
            return height * rng.uniform(1.0, 2.6), float(rng.uniform(1.0, 1.45))
        least = min(self._least_px, height)
        fraction = rng.random() ** 0.5  # The larger ones are more common than by scale alone.
        return float(least * (1.05 * height / least) ** fraction), float(rng.uniform(0.7, 1.0))

    @staticmethod
    def _draw_camera_height(rng: np.random.Generator, distance: float) -> float:
        kind = rng.random()
        height = rng.normal(1.5, 0.15) if kind < 0.6 else rng.uniform(0.3, 1.2)
        if kind > 0.82:
            height = rng.uniform(1.8, 4.0)
        return float(min(max(height, 0.3), 0.9 + distance * np.tan(_FURTHEST_DOWN_RAD)))

    @staticmethod
    def _draw_turn(rng: np.random.Generator, spot: Floats) -> float:
        towards_camera = float(np.arctan2(-spot[0], -spot[2]))
        return towards_camera + float(rng.normal(0, 0.8) if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi))

    @staticmethod
    def _draw_spots(rng: np.random.Generator, camera: Camera, distance: float) -> list[Floats]:
        spots = [np.float32([0, 0, -distance])]
        count = int(rng.choice((1, 2, 3, 4), p=(0.35, 0.3, 0.2, 0.15)))
        gap = 0.4 if rng.random() < 0.2 else 0.6
        for _ in range(8 * count):
            if len(spots) == count:
                break
            if rng.random() < 0.45:
                spot = spots[0] + np.float32(
                    [rng.choice((-1, 1)) * rng.uniform(gap, 1.2), 0, rng.normal(0, 0.4)]
                )
            else:
                depth = distance * rng.uniform(0.6, 2.5)
                column = rng.uniform(0.02, 0.98) * camera.size_wh[0]
                ray = camera.cast(np.float32([[column, camera.size_wh[1] / 2]]))[0]
                spot = np.float32([ray[0], 0, ray[2]]) / max(np.hypot(ray[0], ray[2]), 1e-3) * np.float32(depth)
            is_apart = all(np.hypot(*(spot - other)[[0, 2]]) > gap for other in spots)
            if is_apart and -spot[2] > _LEAST_DISTANCE_M:
                spots.append(spot)
        return spots

    def _draw_things(
        self, rng: np.random.Generator, camera: Camera, people: list[PlacedPerson], distance: float
    ) -> list[tuple[Surface, Look]]:
        things = []
        for person in people:
            if person.seat is not None:
                box = make_box((rng.uniform(0.4, 0.6), float(person.seat[1]), rng.uniform(0.4, 0.6)))
                shift = np.float32([person.seat[0], 0, person.seat[2]])
                things.append((self._turn(rng, box, shift), make_thing_look(rng)))
            if rng.random() < 0.1:
                hand = person.hands[rng.integers(2)]
                radius = rng.uniform(0.04, 0.14)
                ball = make_round([(max(r, 1e-3) * radius, y * radius) for r, y in _BALL], 16)
                shift = hand - np.float32([0, rng.uniform(0, 1.5) * radius, 0])
                things.append((self._turn(rng, ball, shift, is_smooth=True), make_thing_look(rng)))
        if rng.random() < 0.5:
            for _ in range(rng.integers(1, 4)):
                depth = distance * (rng.uniform(0.35, 0.9) if rng.random() < 0.6 else rng.uniform(1.0, 2.0))
                column = rng.uniform(-0.05, 1.05) * camera.size_wh[0]
                ray = camera.cast(np.float32([[column, camera.size_wh[1] / 2]]))[0]
                shift = (
                    np.float32([ray[0], 0, ray[2]]) / max(np.hypot(ray[0], ray[2]), 1e-3) * np.float32(depth)
                )
                # Near the camera a thing must be low or thin, or it hides everything.
                largest = max(0.1, min(1.2, 0.45 * depth))
                things.append((self._draw_thing(rng, shift, largest), make_thing_look(rng)))
        return things

    def _draw_thing(self, rng: np.random.Generator, shift: Floats, largest: float) -> Surface:
        match rng.integers(4):
            case 0:
                radius = rng.uniform(0.02, 0.04 + 0.05 * largest)
                pole = make_round([(radius, 0.0), (radius, 3.5), (1e-3, 3.5)], 12)
                return self._turn(rng, pole, shift, is_smooth=True)
            case 1:
                size = np.array(
                    [rng.uniform(0.3, 1) * largest, rng.uniform(0.3, 1.1), rng.uniform(0.2, 1) * largest]
                )
                return self._turn(rng, make_box(size), shift)
            case 2:  # A table: a top on a leg.
                size = np.array([rng.uniform(0.5, 1) * largest, 0.05, rng.uniform(0.5, 1) * largest])
                shift = shift + np.float32([0, rng.uniform(0.5, 1.05), 0])
                return self._turn(rng, make_box(size), shift)
            case _:
                radius, stretch = rng.uniform(0.1, 0.5) * largest, rng.uniform(0.7, 2.5)
                profile = [
                    (max(r * rng.uniform(0.75, 1.1), 1e-3) * radius, y * radius * stretch) for r, y in _BALL
                ]
                return self._turn(rng, make_round(profile, 16), shift, is_smooth=True)

    @staticmethod
    def _turn(
        rng: np.random.Generator, mesh: tuple[Floats, object], shift: Floats, *, is_smooth: bool = False
    ) -> Surface:
        matrix = Rotation.from_rotvec([0, rng.uniform(0, 2 * np.pi), 0]).as_matrix().astype(np.float32)
        return make_thing(*mesh, matrix, shift, is_smooth)

    @staticmethod
    def _draw_lights(rng: np.random.Generator) -> tuple[tuple[Light, ...], Floats]:
        lights = []
        warm = rng.normal(0, 0.08)
        tint = np.float32([1 - warm, 1, 1 + warm])
        strengths = [rng.uniform(0.45, 1.6), rng.uniform(0.05, 0.45), rng.uniform(0.05, 0.3)]
        for number, strength in enumerate(strengths[: rng.integers(2, 4)]):
            side = rng.uniform(-np.pi, np.pi) if rng.random() < 0.35 else rng.normal(0, 1.0)
            up = np.arcsin(rng.uniform(0.2 if number == 0 else -0.1, 0.97))
            towards = [np.cos(up) * np.sin(side), np.sin(up), np.cos(up) * np.cos(side)]
            colour = strength * tint * rng.uniform(0.9, 1.1, 3)
            lights.append(Light(np.float32(towards), np.asarray(colour, np.float32), number < 2))
        above = rng.uniform(0.15, 0.55)
        ambient = np.stack([above * (2 - tint), above * rng.uniform(0.3, 0.9) * tint])
        return tuple(lights), ambient.astype(np.float32)


_BALL = tuple((float(np.sin(a)), float(1 - np.cos(a))) for a in np.linspace(0, np.pi, 9))
"""Radius and height of a ball of radius 1, standing on the ground."""
