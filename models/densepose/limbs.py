"""Points of the body whose coarse part is known from keypoints alone, for people without dense annotations.

On the line between a visible shoulder and elbow lies the upper arm, and so on. Which chart, and where on it, is
not known. This has no counterpart in the papers: it takes what the network learns of drawn people to real ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data.samples import FloatArray
from models.densepose.annotations import MASK_SIDE
from models.densepose.parts import MASK_NAMES

_SIDES = ("left", "right")
_LIMBS = (
    ("shoulder", "elbow", "upper arm"),
    ("elbow", "wrist", "lower arm"),
    ("hip", "knee", "upper leg"),
    ("knee", "ankle", "lower leg"),
)
# Of the length of a limb; next to its ends it is not sure which side of the joint a point is on.
_FRACTIONS = (0.25, 0.4, 0.55, 0.7, 0.85)
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_VISIBLE = 2
_LEAST_SCORE = 0.5

LimbPoints = tuple[FloatArray, npt.NDArray[np.uint8]]
"""Points (P, 2), in 0..256 over the person's box, and their coarse parts (P,), 1..14."""


def list_limb_points(person: Mapping[str, Any], names: Sequence[str]) -> LimbPoints | None:
    """List the points of a person whose coarse part is known; None if there are none.

    Args:
        person: A COCO-style annotation with `bbox`, `keypoints`, and perhaps `keypoint_scores`.
        names: K names of its keypoints; those of other parts of the body are not used.
    """
    flat, (left, top, width, height) = person.get("keypoints"), person["bbox"]
    if not flat or width <= 0 or height <= 0:
        return None
    triples = np.reshape(np.array(flat, np.float32), (-1, 3))
    scores = np.broadcast_to(np.array(person.get("keypoint_scores") or 1.0, np.float32), len(triples))
    is_seen = (triples[:, 2] == _VISIBLE) & (scores >= _LEAST_SCORE)
    # Half a pixel: COCO's keypoints are indices of pixels.
    seen = {name: triples[i, :2] + 0.5 for i, name in enumerate(names) if is_seen[i]}
    found = [*_list_on_limbs(seen), *((seen[name], "head") for name in _FACE if name in seen)]
    if not found:
        return None
    points = (np.stack([point for point, _ in found]) - (left, top)) * MASK_SIDE / (width, height)
    parts = np.array([MASK_NAMES.index(name) for _, name in found], np.uint8)
    return points.astype(np.float32), parts


def _list_on_limbs(seen: Mapping[str, FloatArray]) -> list[tuple[FloatArray, str]]:
    """Points on the limbs whose two ends are visible, with the names of their parts."""
    return [
        (seen[start] + np.float32(fraction) * (seen[end] - seen[start]), f"{side} {part}")
        for side in _SIDES
        for start, end, part in ((f"{side}_{a}", f"{side}_{b}", part) for a, b, part in _LIMBS)
        if start in seen and end in seen
        for fraction in _FRACTIONS
    ]
