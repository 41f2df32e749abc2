"""The looks of a person: skin with a face on it, eyes and hair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthesis.looks import Look, to_linear
from synthesis.noise import sample_noise
from synthesis.pack import Floats, Pack

# Display values, blue first, from light to dark.
_TONES = np.array(
    [
        [188, 206, 240],
        [150, 180, 226],
        [118, 156, 208],
        [92, 130, 186],
        [62, 96, 150],
        [44, 68, 112],
        [30, 46, 76],
    ]
)
_HAIR_TONES = np.array(
    [[18, 20, 24], [28, 40, 62], [40, 62, 100], [84, 128, 176], [150, 190, 214], [50, 72, 140]]
)
_IRIS_TONES = np.array([[30, 50, 80], [20, 30, 45], [150, 130, 90], [90, 120, 90]])


@dataclass(frozen=True)
class FacePlaces:
    """Where the parts of a face are on the body at rest: points (3,)."""

    mouth: Floats
    eyes: tuple[Floats, Floats]


def find_face(pack: Pack) -> FacePlaces:
    """Find the face of a pack's body: eyes by their bones, the mouth by those of its lips if there are any."""
    eyes = tuple(pack.find_head(f"eye.{side}") for side in "LR")
    middle = np.mean(eyes, 0)
    names = [name for name in ("oris05", "oris01") if name in pack.bone_names]
    mouth = (
        np.mean([pack.find_head(name) for name in names], 0) if names else middle - np.float32([0, 0.6, -0.3])
    )
    return FacePlaces(np.asarray(mouth, np.float32), (eyes[0], eyes[1]))


def make_skin(
    rng: np.random.Generator, face: FacePlaces, darkness: float, is_bearded: bool, hair: Floats
) -> Look:
    """Skin: a tone by `darkness` 0..1, blotches, lips, brows, and stubble of the hair's colour."""
    place = float(np.clip(darkness + rng.normal(0, 0.12), 0, 1)) * (len(_TONES) - 1)
    low = min(int(place), len(_TONES) - 2)
    tone = _TONES[low] * (1 - (place - low)) + _TONES[low + 1] * (place - low)
    tone = to_linear((tone * rng.normal(1, 0.03, 3)).clip(5, 250) / 255)
    lips = tone * np.float32([0.62, 0.5, 0.85]) if rng.random() < 0.8 else to_linear([0.25, 0.15, 0.65])
    seed, stubble = float(rng.random()), float(rng.uniform(0.2, 0.85)) if is_bearded else 0.0

    def paint(places: Floats) -> Floats:
        noise = sample_noise(places, 2.5, seed)
        colour = tone * (1 + np.float32(0.05) * noise)
        near = np.flatnonzero((places[:, 1] > face.mouth[1] - 0.9) & (places[:, 2] > face.mouth[2] - 1.2))
        if len(near):
            colour[near] = _paint_face(places[near], colour[near], face, (lips, hair), stubble)
        return colour

    return Look(paint, gloss=float(rng.uniform(0.03, 0.15)), shininess=18.0, roughness=0.05, wrinkle_size=0.5)


def _paint_face(
    places: Floats, colour: Floats, face: FacePlaces, colours: tuple[Floats, Floats], stubble: float
) -> Floats:
    lips, hair = colours
    x, y, z = places.T
    is_front = z > face.mouth[2] - 0.35
    if stubble:
        low, side = face.mouth[1] + 0.12, np.abs(x) < 0.75
        under = ((y < low) & (y > face.mouth[1] - 0.55) & (z > face.mouth[2] - 0.9) & side)[:, None]
        colour = np.where(under, colour * (1 - stubble) + hair * stubble, colour)
    mouth = ((x / 0.24) ** 2 + ((y - face.mouth[1]) / 0.085) ** 2 < 1) & is_front
    colour = np.where(mouth[:, None], lips, colour)
    for eye in face.eyes:
        across = (x - eye[0]) / 0.24
        brow = (np.abs(across) < 1) & (np.abs(y - eye[1] - 0.2 + 0.05 * across**2) < 0.035) & is_front
        colour = np.where(brow[:, None], 0.3 * colour + 0.7 * hair, colour)
    return colour.astype(np.float32)


def make_eyes(rng: np.random.Generator, face: FacePlaces) -> Look:
    """Eyeballs: white, an iris and a pupil around the axis that looks ahead."""
    iris = to_linear(rng.choice(_IRIS_TONES) / 255)

    def paint(places: Floats) -> Floats:
        centres = np.stack(face.eyes)
        nearest = centres[(places[:, 0] < 0).astype(int)]
        radius = np.hypot(*(places - nearest)[:, :2].T)[:, None]
        white = np.broadcast_to(np.float32([0.72, 0.75, 0.78]), (len(places), 3))
        return np.where(radius < 0.025, np.float32(0.01), np.where(radius < 0.065, iris, white)).astype(
            np.float32
        )

    return Look(paint, gloss=0.4, shininess=60.0)


def draw_hair_colour(rng: np.random.Generator, darkness: float, is_old: bool) -> Floats:
    """A colour of hair, (3,) linear."""
    first = int(rng.integers(0, 2 if darkness > 0.55 else len(_HAIR_TONES)))
    tone = to_linear(_HAIR_TONES[first] * rng.uniform(0.8, 1.2) / 255)
    if is_old and rng.random() < 0.7:
        tone = to_linear(np.full(3, rng.uniform(0.4, 0.85)))
    if rng.random() < 0.04:
        tone = to_linear(rng.uniform(0.1, 0.9, 3))
    return tone


def make_hair(rng: np.random.Generator, colour: Floats) -> Look:
    """Hair: strands along y."""
    seed = float(rng.random())

    def paint(places: Floats) -> Floats:
        strands = sample_noise(places * np.float32([1, 0.15, 1]), 0.12, seed)[:, :1]
        return (colour * (1 + 0.18 * strands)).clip(0, 1)

    return Look(paint, gloss=0.12, shininess=20.0, roughness=0.35, wrinkle_size=0.25, seed=seed)
