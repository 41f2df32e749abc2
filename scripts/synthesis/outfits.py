"""Outfits: suits of the pack, and shirts, trousers and skirts cut from the shells that follow the body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthesis.bodies import Shape
from synthesis.looks import Look, make_cloth
from synthesis.pack import Floats
from synthesis.wearables import HAIRS, HATS, SHOES, Wardrobe

_COVER_DM = 0.3
"""How far within a cut garment the skin beneath is left out, so that it does not come through."""
_ARM_BONES = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
_TOPS_ONLY = ("female_casualsuit02",)
"""Suits without legs."""


@dataclass(frozen=True, eq=False)
class CutCloth:
    """A garment cut from a shell.

    Attributes:
        layer: The shell.
        values: (N,) of the pack's vertices; the garment is where they are above 0.
        look: Its look.
    """

    layer: str
    values: Floats
    look: Look


@dataclass(frozen=True, eq=False)
class Outfit:
    """What a person wears.

    Attributes:
        garments: Names of garments of the pack.
        cuts: Garments cut from shells.
        inflation: (N,), by how much the shells are off the body, decimetres.
        is_covered: (N,), vertices of the body that need not be drawn.
    """

    garments: tuple[str, ...]
    cuts: tuple[CutCloth, ...]
    inflation: Floats
    is_covered: npt.NDArray[np.bool_]


class Tailor:
    """Draws outfits from a wardrobe.

    Attributes:
        waist: Height of the waist on the body at rest, decimetres.
    """

    def __init__(self, wardrobe: Wardrobe) -> None:
        self._wardrobe = wardrobe
        pack = wardrobe.pack
        self._places = pack.vertices
        dominant = np.asarray(pack.skin.argmax(1)).ravel()
        names = np.array([name.startswith(_ARM_BONES) for name in pack.bone_names])
        self._is_arm = names[dominant]
        self._along = self._measure_arms()
        heads = {name: float(pack.find_head(f"{name}.L")[1]) for name in ("upperleg01", "lowerleg01", "foot")}
        self._hip, self._knee, self._ankle = heads.values()
        self.waist = self._hip + 0.19 * (float(pack.find_head("neck01")[1]) - self._hip)
        self._neck = float(pack.find_head("neck01")[1])
        self._is_shell = np.zeros(len(self._places), bool)
        for name in ("tights", "skirt"):
            self._is_shell[pack.quads[name]] = True
        self._garments = {
            kind: wardrobe.find_garments(*prefixes)
            for kind, prefixes in (("hair", HAIRS), ("hat", HATS), ("shoes", SHOES))
        }

    def draw(self, rng: np.random.Generator, shape: Shape) -> Outfit:
        """Draw an outfit for a shape."""
        garments: list[str] = []
        cuts: list[CutCloth] = []
        suits = self._wardrobe.find_garments("male_" if shape.is_male else "female_")
        inflation = np.zeros(len(self._places), np.float32)
        if suits and rng.random() < 0.42:
            garments.append(str(rng.choice(suits)))
            if garments[0] in _TOPS_ONLY:
                cuts.append(self._draw_bottom(rng, shape, inflation))
        else:
            cuts += self._draw_cuts(rng, shape, inflation)
        for kind, chance in (("shoes", 0.8), ("hair", 0.9), ("hat", 0.08)):
            names = self._garments[kind]
            if kind == "hair" and shape.is_male:
                names = [name for name in names if rng.random() < 0.15 or not name.startswith(("bob", "long"))]
            if names and rng.random() < chance:
                garments.append(str(rng.choice(names)))
        return Outfit(tuple(garments), tuple(cuts), inflation, self._find_covered(garments, cuts))

    def inflate(self, rest: Floats, outfit: Outfit) -> Floats:
        """The body at rest with its shells away from the skin."""
        return np.asarray(rest + self._wardrobe.normals * outfit.inflation[:, None], np.float32)

    def _draw_cuts(self, rng: np.random.Generator, shape: Shape, inflation: Floats) -> list[CutCloth]:
        kind = rng.choice(("two", "dress", "one", "swim"), p=(0.78, 0.08, 0.08, 0.06))
        if kind == "dress" and shape.is_male:
            kind = "two"
        if kind == "swim":
            values = self._cut_bottom(self.waist - rng.uniform(0, 0.8), self._hip - rng.uniform(0.3, 1.2))
            if not shape.is_male:
                values = np.minimum(self._cut_top(0.0, self._hip - 3, rng.uniform(0.9, 1.3)), values)
                chest = self._cut_top(0.0, self._neck - rng.uniform(2.2, 2.8), rng.uniform(0.9, 1.2))
                return [CutCloth("tights", np.maximum(values, chest), make_cloth(rng))]
            return [CutCloth("tights", values, make_cloth(rng))]
        if kind == "one":  # A bare-chested man, or a sports suit in one colour.
            if shape.is_male and rng.random() < 0.5:
                return [self._draw_bottom(rng, shape, inflation)]
            legs = self._cut_bottom(self._neck, self._ankle + rng.uniform(0.1, 4.0))
            top = self._cut_top(float(rng.choice((0.1, 2.5, 5.0))), self._ankle, rng.uniform(0.6, 1.0))
            arms = np.where(self._is_arm, top, np.minimum(top, legs))
            return [CutCloth("tights", arms.astype(np.float32), make_cloth(rng))]
        top = self._draw_top(rng, inflation)
        if kind == "dress":
            look = top.look
            hem = rng.uniform(self._ankle + 1, self._hip - 1.5)
            return [top, CutCloth("skirt", self._places[:, 1] - np.float32(hem), look)]
        return [self._draw_bottom(rng, shape, inflation), top]

    def _draw_top(self, rng: np.random.Generator, inflation: Floats) -> CutCloth:
        reach = float(self._along.max())
        sleeve = rng.choice((0.05, 0.18, 0.32, 0.75), p=(0.12, 0.2, 0.33, 0.35)) * reach
        sleeve = sleeve * rng.uniform(0.9, 1.1)
        hem = self.waist - rng.uniform(-0.6, 3.0)
        values = self._cut_top(float(sleeve), hem, rng.uniform(0.55, 1.0))
        fall = ((self._neck - self._places[:, 1]) / (self._neck - self._hip)).clip(0, 1.3)
        loose = np.where(self._is_arm, rng.uniform(0.08, 0.35), 0.13 + rng.uniform(0, 0.45) * fall)
        self._loosen(inflation, values, loose)
        return CutCloth("tights", values, make_cloth(rng))

    def _draw_bottom(self, rng: np.random.Generator, shape: Shape, inflation: Floats) -> CutCloth:
        waist = self.waist + rng.uniform(-0.5, 0.4)
        if rng.random() < (0.02 if shape.is_male else 0.25):
            hem = rng.uniform(self._ankle + 0.5, self._hip - 1.2)
            return CutCloth("skirt", self._places[:, 1] - np.float32(hem), make_cloth(rng))
        legs = (self._ankle + 0.15, self._knee + rng.uniform(-2.5, 0.5), self._hip - rng.uniform(0.6, 2.5))
        hem = rng.choice(legs, p=(0.6, 0.2, 0.2))
        values = self._cut_bottom(waist, float(hem))
        fall = ((self.waist - self._places[:, 1]) / (self.waist - self._ankle)).clip(0, 1)
        self._loosen(inflation, values, 0.04 + rng.uniform(0, 0.4) * fall ** rng.uniform(0.5, 2))
        return CutCloth("tights", values, make_cloth(rng, is_plain=rng.random() < 0.6))

    def _loosen(self, inflation: Floats, values: Floats, loose: Floats) -> None:
        own = self._is_shell & (values > -_COVER_DM)
        inflation[own] = np.maximum(inflation[own], np.asarray(loose, np.float32)[own])

    def _cut_top(self, sleeve: float, hem: float, neck: float) -> Floats:
        x, y, _ = self._places.T
        # The head is above the collar, and not under it.
        trunk = np.where(self._is_arm, np.inf, np.minimum(y - hem, self._neck + 0.3 - y))
        hole = np.hypot(x, (y - self._neck - 0.2) * 0.9) - neck
        return np.minimum.reduce([sleeve - self._along, trunk, hole]).astype(np.float32)

    def _cut_bottom(self, waist: float, hem: float) -> Floats:
        y = self._places[:, 1]
        return np.where(self._is_arm, -1, np.minimum(waist - y, y - hem)).astype(np.float32)

    def _find_covered(self, garments: list[str], cuts: list[CutCloth]) -> npt.NDArray[np.bool_]:
        covered = np.zeros(len(self._places), bool)
        for name in garments:
            covered[self._wardrobe.garments[name].garment.hidden] = True
        for cut in cuts:
            if cut.layer == "tights":
                covered |= cut.values > _COVER_DM
        return covered

    def _measure_arms(self) -> Floats:
        """How far along its arm each vertex is from the shoulder; 0 for the rest of the body."""
        along = np.zeros(len(self._places), np.float32)
        for side, sign in (("L", 1), ("R", -1)):
            shoulder, elbow, wrist = (
                self._wardrobe.pack.find_head(f"{name}.{side}")
                for name in ("upperarm01", "lowerarm01", "wrist")
            )
            own = self._is_arm & (np.sign(self._places[:, 0]) == sign)
            upper, lower = elbow - shoulder, wrist - elbow
            lengths = [float(np.linalg.norm(part)) for part in (upper, lower)]
            first = (self._places - shoulder) @ upper / lengths[0]
            second = lengths[0] + (self._places - elbow) @ lower / lengths[1]
            value = np.where(first > lengths[0], second, np.minimum(first, lengths[0]))
            along[own] = value.clip(0, None)[own]
        return along
