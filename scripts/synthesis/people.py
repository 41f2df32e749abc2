"""People: a shape, a pose and clothes, as surfaces in the world with their looks and keypoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from synthesis.bodies import Shape, draw_shape, make_shape, move_points, turn_bones
from synthesis.looks import Look, make_cloth, stack_looks
from synthesis.meshes import Surface
from synthesis.outfits import Outfit, Tailor
from synthesis.pack import Floats
from synthesis.people_looks import draw_hair_colour, find_face, make_eyes, make_hair, make_skin
from synthesis.poses import Pose, Poser
from synthesis.wearables import HAIRS, HATS, SHOES, Wardrobe

_METRES = np.float32(0.1)


@dataclass(frozen=True, eq=False)
class PlacedPerson:
    """A person in the world, metres.

    Attributes:
        parts: Surfaces with their looks.
        keypoints: (17, 3).
        height: From the lowest to the highest point of the body.
        seat: Top of what a seated person sits on, (3,); None for others.
        hands: (2, 3), the wrists.
    """

    parts: tuple[tuple[Surface, Look], ...]
    keypoints: Floats
    height: float
    seat: Floats | None
    hands: Floats


@dataclass(frozen=True, eq=False)
class ClothedPerson:
    """A body with its clothes, to be put in poses.

    Attributes:
        shape: What the body is like.
        outfit: What it wears.
        rest: (N, 3), the body at rest, decimetres.
        dressed: (N, 3), the same with the shells of clothes away from the skin.
    """

    shape: Shape
    outfit: Outfit
    rest: Floats
    dressed: Floats


class PersonMaker:
    """Makes people of a wardrobe."""

    def __init__(self, wardrobe: Wardrobe) -> None:
        self._wardrobe = wardrobe
        self._pack = wardrobe.pack
        self._tailor = Tailor(wardrobe)
        self._poser = Poser(wardrobe.pack)
        self._face = find_face(wardrobe.pack)

    def make(self, rng: np.random.Generator, place: Floats, turn_rad: float) -> PlacedPerson:
        """Make a person.

        Args:
            rng: Decides on everything.
            place: (3,) of the ground beneath, metres.
            turn_rad: Direction, 0 faces +z, about y.
        """
        shape, pose = draw_shape(rng), self._poser.draw(rng)
        return self.pose(rng, self.clothe(rng, shape), pose, place, turn_rad)

    def clothe(self, rng: np.random.Generator, shape: Shape) -> ClothedPerson:
        """Draw an outfit for a shape."""
        outfit = self._tailor.draw(rng, shape)
        rest = make_shape(self._pack, shape)
        return ClothedPerson(shape, outfit, rest, self._tailor.inflate(rest, outfit))

    def pose(
        self, rng: np.random.Generator, person: ClothedPerson, pose: Pose, place: Floats, turn_rad: float
    ) -> PlacedPerson:
        """Put a person somewhere in a pose.

        Args:
            rng: Decides on colours and patterns: in the same state, they are the same in every pose.
            person: Whom.
            pose: The pose.
            place: (3,) of the ground beneath, metres.
            turn_rad: Direction, 0 faces +z, about y.
        """
        motions = self._place(rng, person.rest, pose, place, turn_rad)
        vertices = move_points(self._pack.skin, motions, person.dressed) * _METRES
        parts = tuple(self._dress(rng, person.shape, person.outfit, (person.rest, vertices, motions)))
        body = vertices[self._wardrobe.layers["body"].triangles.ravel()]
        bare = move_points(self._pack.skin, motions, person.rest)
        keypoints = np.asarray(self._pack.keypoints @ bare * _METRES, np.float32)
        return PlacedPerson(
            parts, keypoints, float(np.ptp(body[:, 1])), self._find_seat(pose, keypoints), keypoints[[9, 10]]
        )

    def _place(
        self, rng: np.random.Generator, rest: Floats, pose: Pose, place: Floats, turn_rad: float
    ) -> Floats:
        motions = turn_bones(self._pack, rest, pose.rotations)
        turn = Rotation.from_rotvec([0, turn_rad, 0]).as_matrix().astype(np.float32)
        motions[:, :9] = (turn @ motions[:, :9].reshape(-1, 3, 3)).reshape(-1, 9)
        motions[:, 9:] = motions[:, 9:] @ turn.T
        body = np.unique(self._pack.quads["body"])
        moved = move_points(self._pack.skin[body], motions, rest[body])
        shift = place / _METRES - [moved[:, 0].mean(), moved[:, 1].min(), moved[:, 2].mean()]
        if pose.is_airborne and rng.random() < 0.5:
            shift[1] += rng.uniform(0, 6)
        motions[:, 9:] += shift.astype(np.float32)
        return motions

    def _dress(
        self, rng: np.random.Generator, shape: Shape, outfit: Outfit, body: tuple[Floats, Floats, Floats]
    ) -> Iterator[tuple[Surface, Look]]:
        rest, vertices, motions = body
        darkness = float(np.dot(shape.races, (0.85, 0.35, 0.22)))
        hair = draw_hair_colour(rng, darkness, shape.ages[2] > 0.5)
        is_bearded = shape.is_male and shape.ages[0] < 0.5 and rng.random() < 0.35
        skin = make_skin(rng, self._face, darkness, is_bearded, hair)
        normals = self._wardrobe.find_normals(vertices)
        layers = self._wardrobe.layers
        yield self._cut_body(outfit, vertices, normals), skin
        eyes = make_eyes(rng, self._face)
        for name in ("eye_left", "eye_right"):
            yield layers[name].make_surface(vertices, normals), eyes
        for cut in outfit.cuts:
            yield layers[cut.layer].make_surface(vertices, normals, cut.values), cut.look
        for name in outfit.garments:
            garment = self._wardrobe.garments[name]
            look = make_hair(rng, hair) if name.startswith(HAIRS) else self._draw_cloth(rng, name)
            yield garment.layer.make_surface(*garment.pose(rest, motions)), look

    def _draw_cloth(self, rng: np.random.Generator, name: str) -> Look:
        """The cloth of a garment; most suits are a top and a bottom."""
        if name.startswith((*SHOES, *HATS)):
            return make_cloth(rng, is_plain=True)
        look = make_cloth(rng)
        if rng.random() < 0.2:
            return look
        return stack_looks(look, make_cloth(rng, is_plain=rng.random() < 0.7), self._tailor.waist)

    def _cut_body(self, outfit: Outfit, vertices: Floats, normals: Floats) -> Surface:
        layer = self._wardrobe.layers["body"]
        keep = np.flatnonzero(~outfit.is_covered[layer.triangles].all(1))
        return layer.pick_surface(vertices, normals, keep)

    @staticmethod
    def _find_seat(pose: Pose, keypoints: Floats) -> Floats | None:
        if not pose.is_seated:
            return None
        seat = keypoints[[11, 12]].mean(0) - np.float32([0, 0.1, 0])
        return seat if seat[1] > 0.15 else None
