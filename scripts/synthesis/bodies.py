"""A person's shape and pose: shapes are mixed, and bones move the skin (linear blend skinning)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial.transform import Rotation

from synthesis.pack import Floats, Pack

AGES = ("child", "young", "old")
_RACES = ("african", "asian", "caucasian")


@dataclass(frozen=True)
class Shape:
    """What a body is like.

    Attributes:
        male: 0 female to 1 male.
        ages: Weights of `AGES`, of sum 1.
        races: Three weights of sum 1.
        muscle: 0 to 1.
        weight: 0 to 1.
        height: 0 to 1.
    """

    male: float
    ages: tuple[float, ...]
    races: tuple[float, ...]
    muscle: float
    weight: float
    height: float

    @property
    def is_male(self) -> bool:
        """Whether it is nearer to a man's body."""
        return self.male > 0.5


def draw_shape(rng: np.random.Generator) -> Shape:
    """Draw a shape: mostly clearly men or women, a fifth children."""
    ages = np.zeros(3)
    main = rng.choice(3, p=(0.18, 0.62, 0.2))
    ages[main] = 1.0
    if main and rng.random() < 0.5:
        fraction = rng.random()
        ages[1], ages[2] = fraction, 1 - fraction
    sex = rng.beta(1.2, 5)
    return Shape(
        male=float(sex if rng.random() < 0.5 else 1 - sex),
        ages=tuple(ages.tolist()),
        races=tuple(rng.dirichlet([0.6, 0.6, 0.6]).tolist()),
        muscle=float(rng.beta(2, 2)),
        weight=float(rng.beta(1.6, 1.8)),
        height=float(rng.beta(2, 2)),
    )


def make_shape(pack: Pack, shape: Shape) -> Floats:
    """Vertices of the body at rest, (N, 3), mixed of the pack's targets as their names say."""
    weights = np.zeros(len(pack.target_names), np.float32)
    places = {name: i for i, name in enumerate(pack.target_names)}

    def add(name: str, weight: float) -> None:
        if name in places:
            weights[places[name]] += weight

    for sex, of_sex in (("male", shape.male), ("female", 1 - shape.male)):
        for age, of_age in zip(AGES, shape.ages, strict=True):
            fraction = of_sex * of_age
            for race, weight in zip(_RACES, shape.races, strict=True):
                add(f"{race}-{sex}-{age}", fraction * weight)
            for muscle, of_muscle in _split(shape.muscle).items():
                for mass, of_mass in _split(shape.weight).items():
                    name = f"universal-{sex}-{age}-{muscle}muscle-{mass}weight"
                    add(name, fraction * of_muscle * of_mass)
            for height, weight in _split(shape.height).items():
                add(f"{sex}-{age}-averagemuscle-averageweight-{height}height", fraction * weight)
    used = np.flatnonzero(weights)
    return pack.vertices + (weights[used] @ pack.target_offsets[used]).reshape(-1, 3)


def _split(value: float) -> dict[str, float]:
    return {"min": max(0.0, 1 - 2 * value), "average": 1 - abs(2 * value - 1), "max": max(0.0, 2 * value - 1)}


def turn_bones(pack: Pack, vertices: Floats, rotations: Floats) -> Floats:
    """What each bone does to the points that follow it.

    Args:
        pack: The bones.
        vertices: (N, 3), the body at rest.
        rotations: (B, 3) rotation vectors, about each bone's head, in axes parallel to the world's at rest.

    Returns:
        (B, 12): a matrix, by rows, and a shift.
    """
    heads = pack.bone_heads @ vertices
    own = Rotation.from_rotvec(rotations).as_matrix()
    motions = np.zeros((len(heads), 12))
    for i, parent in enumerate(pack.bone_parents):
        if parent >= 0:
            matrix = motions[parent, :9].reshape(3, 3)
            place = matrix @ heads[i] + motions[parent, 9:]
            matrix = matrix @ own[i]
        else:
            matrix, place = own[i], heads[i]
        motions[i, :9] = matrix.ravel()
        motions[i, 9:] = place - matrix @ heads[i]
    return motions.astype(np.float32)


def move_points(skin: sparse.csr_matrix, motions: Floats, points: Floats) -> Floats:
    """Points at rest, (n, 3), moved by the bones that they follow, `skin` (n, B)."""
    own = skin @ motions
    moved = np.einsum("nij,nj->ni", own[:, :9].reshape(-1, 3, 3), points)
    return np.asarray(moved + own[:, 9:], np.float32)
