"""Looks: colours and patterns of cloth, skin, hair and things, by the place on the undeformed thing."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from synthesis.noise import sample_noise
from synthesis.pack import Floats

Pattern = Callable[[Floats], Floats]
"""Places (M, 3) to how much of each colour (M, C)."""


@dataclass(frozen=True, eq=False)
class Look:
    """How a surface looks.

    Attributes:
        paint: Places (M, 3) to colours (M, 3), linear light, 0..1, blue first.
        gloss: Strength of the highlight.
        shininess: Its exponent.
        roughness: Deviation of the normals from the smooth surface.
        wrinkle_size: Size of what deviates, in the units of places.
        seed: Offset of its noise.
    """

    paint: Callable[[Floats], Floats]
    gloss: float = 0.02
    shininess: float = 12.0
    roughness: float = 0.0
    wrinkle_size: float = 1.0
    seed: float = 0.0


def to_linear(colour: object) -> Floats:
    """Linear light of display values 0..1."""
    return np.asarray(np.asarray(colour, np.float32) ** np.float32(2.2), np.float32)


def draw_colour(rng: np.random.Generator) -> Floats:
    """A colour of clothes or things, (3,) linear: greys and dark ones are common."""
    hue = rng.random()
    kind = rng.random()
    if kind < 0.3:
        saturation, value = rng.uniform(0, 0.12), rng.uniform(0.05, 0.95)
    elif kind < 0.65:
        saturation, value = rng.uniform(0.15, 0.6), rng.uniform(0.15, 0.9)
    else:
        saturation, value = rng.uniform(0.5, 1.0), rng.uniform(0.3, 0.95)
    if rng.random() < 0.25:
        hue, saturation = rng.uniform(0.55, 0.65), rng.uniform(0.2, 0.7)  # jeans
    return to_linear(colorsys.hsv_to_rgb(hue, saturation, value)[::-1])


def make_cloth(rng: np.random.Generator, *, unit: float = 1.0, is_plain: bool = False) -> Look:
    """Cloth of one to three colours in a pattern; `unit` is a decimetre in the units of places."""
    colours = np.stack([draw_colour(rng) for _ in range(3)])
    kinds = ("plain", "stripes", "uprights", "checks", "dots", "patches", "print")
    kind = "plain" if is_plain else rng.choice(kinds, p=(0.42, 0.14, 0.06, 0.12, 0.06, 0.1, 0.1))
    pattern = _PATTERNS[kind](rng)
    seed, fade = float(rng.random()), rng.uniform(0.02, 0.12)

    def paint(places: Floats) -> Floats:
        places = places / np.float32(unit)
        colour = pattern(places) @ colours
        return colour * (1 + np.float32(fade) * sample_noise(places, 1.5, seed)[:, :1])

    return Look(
        paint,
        gloss=float(rng.choice((0.01, 0.03, 0.15), p=(0.6, 0.3, 0.1))),
        shininess=float(rng.uniform(5, 30)),
        roughness=float(rng.uniform(0.1, 0.45)),
        wrinkle_size=float(rng.uniform(0.7, 2.0)) * unit,
        seed=seed,
    )


def stack_looks(upper: Look, lower: Look, level: float) -> Look:
    """A look that is another one below a level of y; its gloss and wrinkles are those of the upper one."""

    def paint(places: Floats) -> Floats:
        is_low = places[:, 1] < level
        colour = upper.paint(places)
        colour[is_low] = lower.paint(places[is_low])
        return colour

    return replace(upper, paint=paint)


def _weigh(*fractions: Floats) -> Floats:
    first = 1 - np.sum(fractions, 0)
    columns = [first, *fractions, *[np.zeros_like(first)] * (2 - len(fractions))]
    return np.stack(columns, 1).astype(np.float32)


def _around(places: Floats) -> Floats:
    return np.arctan2(places[:, 0], places[:, 2]) * np.float32(1.3)


def _bands(values: Floats, period: float, fraction: float) -> Floats:
    return (values / np.float32(period) % 1 < fraction).astype(np.float32)


def _make_plain(rng: np.random.Generator) -> Pattern:
    split = rng.uniform(2.0, 5.0) if rng.random() < 0.15 else None
    if split is None:
        return lambda places: _weigh(np.zeros(len(places), np.float32))
    return lambda places: _weigh((places[:, 1] > split).astype(np.float32))


def _make_stripes(rng: np.random.Generator) -> Pattern:
    period, fraction = rng.uniform(0.15, 1.6), rng.uniform(0.2, 0.6)
    return lambda places: _weigh(_bands(places[:, 1], period, fraction))


def _make_uprights(rng: np.random.Generator) -> Pattern:
    period, fraction = rng.uniform(0.15, 0.8), rng.uniform(0.15, 0.5)
    return lambda places: _weigh(_bands(_around(places), period, fraction))


def _make_checks(rng: np.random.Generator) -> Pattern:
    period, fraction = rng.uniform(0.3, 1.2), rng.uniform(0.25, 0.55)

    def pattern(places: Floats) -> Floats:
        across, down = _bands(_around(places), period, fraction), _bands(places[:, 1], period, fraction)
        return _weigh(0.5 * across + 0.5 * down - across * down, across * down)

    return pattern


def _make_dots(rng: np.random.Generator) -> Pattern:
    period, radius = rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.4)

    def pattern(places: Floats) -> Floats:
        across, down = _around(places) / period, places[:, 1] / period
        across = across + 0.5 * (np.floor(down) % 2)
        distance = np.hypot(across % 1 - 0.5, down % 1 - 0.5)
        return _weigh((distance < radius).astype(np.float32))

    return pattern


def _make_patches(rng: np.random.Generator) -> Pattern:
    size, level, seed = rng.uniform(0.5, 3.0), rng.uniform(-0.3, 0.8), rng.random()

    def pattern(places: Floats) -> Floats:
        noise = sample_noise(places, size, seed)
        first = (noise[:, 0] > level).astype(np.float32)
        second = (noise[:, 1] > level + 0.4).astype(np.float32) * (1 - first)
        return _weigh(first, second)

    return pattern


def _make_print(rng: np.random.Generator) -> Pattern:
    side = 96
    stamp = np.zeros((side, side), np.uint8)
    for _ in range(rng.integers(1, 5)):
        points = rng.integers(8, side - 8, (rng.integers(3, 7), 2)).astype(np.int32)
        match rng.integers(3):
            case 0:
                cv2.fillPoly(stamp, [points], int(rng.integers(1, 3)))
            case 1:
                centre = tuple(points[0].tolist())
                cv2.circle(stamp, centre, int(rng.integers(6, 30)), int(rng.integers(1, 3)), -1)
            case _:
                text = "".join(rng.choice(list("ABEHKMNORSTXZ0123456789"), rng.integers(1, 5)))
                place = (4, int(rng.integers(30, side - 6)))
                scale = float(rng.uniform(0.8, 2.2))
                cv2.putText(stamp, text, place, cv2.FONT_HERSHEY_DUPLEX, scale, int(rng.integers(1, 3)), 4)
    width, top = rng.uniform(1.2, 2.8), rng.uniform(4.2, 5.2)
    on_back = rng.random() < 0.2

    def pattern(places: Floats) -> Floats:
        across, down = places[:, 0] / width + 0.5, (top - places[:, 1]) / width
        side_z = -places[:, 2] if on_back else places[:, 2]
        is_in = (across > 0) & (across < 1) & (down > 0) & (down < 1) & (side_z > 0.2)
        columns, rows = ((side * value).clip(0, side - 1).astype(np.int64) for value in (across, down))
        value = stamp[rows, columns] * is_in
        return _weigh((value == 1).astype(np.float32), (value == 2).astype(np.float32))

    return pattern


_PATTERNS = {
    "plain": _make_plain,
    "stripes": _make_stripes,
    "uprights": _make_uprights,
    "checks": _make_checks,
    "dots": _make_dots,
    "patches": _make_patches,
    "print": _make_print,
}


def make_thing_look(rng: np.random.Generator) -> Look:
    """The look of furniture, walls, poles: places are metres."""
    look = make_cloth(rng, unit=0.1 * float(rng.choice((1.0, 3.0, 8.0))))
    gloss = float(rng.choice((0.0, 0.05, 0.4), p=(0.5, 0.3, 0.2)))
    return Look(look.paint, gloss, float(rng.uniform(5, 60)), 0.04, look.wrinkle_size, look.seed)
