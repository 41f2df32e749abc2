"""The labels of an image, from what the rays through its pixels have hit: COCO's, and the fields `dp_*`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as mask_api

from models.densepose.annotations import MASK_SIDE
from models.densepose.parts import CHART_TO_MASK, NUM_MASKS
from synthesis.pack import Floats, Integers
from synthesis.rays import Caster, Hits
from synthesis.scenes import Scene

Json = dict[str, Any]

MOST_POINTS_OF_PART = 14
"""As annotators were asked for."""
_FEWEST_DENSE_PX = 120
"""A person of fewer visible pixels has no dense annotation."""
_FEWEST_PX = 40
_PX_OF_POINT = 8
_KEYPOINT_REACH_M = np.float32(
    [0.04, 0.04, 0.04, 0.07, 0.07, *[0.15] * 2, *[0.1] * 2, *[0.08] * 2, *[0.2] * 2, *[0.13] * 2, *[0.11] * 2]
)
"""How far a keypoint may lie behind the surface that shows it: within the limb, under cloth or hair."""
_NEAREST_PX = 1.5
_ROUNDS = 3


def annotate(rng: np.random.Generator, scene: Scene, caster: Caster, hits: Hits) -> list[Json]:
    """Annotate the visible people of a scene.

    Args:
        rng: Draws the points.
        scene: The scene.
        caster: Its triangles.
        hits: Of the rays through the middles of all pixels.

    Returns:
        An annotation of each person who is seen, without ids; people of few pixels are crowds.
    """
    width, height = scene.camera.size_wh
    is_hit = hits.triangles >= 0
    owners = np.where(is_hit, caster.owners[hits.triangles], -1).reshape(height, width)
    charts = np.where(is_hit, caster.surface.charts[hits.triangles], 0).reshape(height, width)
    found = []
    for number, person in enumerate(scene.people):
        mask = owners == number
        if not mask.any():
            continue
        box = _find_box(mask)
        entry: Json = {
            "category_id": 1,
            "iscrowd": int(mask.sum() < _FEWEST_PX),
            "bbox": [float(value) for value in box],
            "area": float(mask.sum()),
            "segmentation": encode_mask(mask),
        }
        keypoints = np.zeros((17, 3))
        if not entry["iscrowd"]:
            keypoints = find_keypoints(scene, hits, mask, person.keypoints)
        entry["keypoints"] = [round(float(value), 2) for value in keypoints.ravel()]
        entry["num_keypoints"] = int((keypoints[:, 2] > 0).sum())
        if not entry["iscrowd"] and mask.sum() >= _FEWEST_DENSE_PX:
            entry |= _annotate_surface(rng, caster, hits, np.where(mask, charts, 0), box)
        found.append(entry)
    return found


def encode_mask(mask: npt.NDArray[Any]) -> Json:
    """Run lengths in COCO's text."""
    lengths = mask_api.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in lengths["size"]], "counts": lengths["counts"].decode("ascii")}


def find_keypoints(
    scene: Scene, hits: Hits, mask: npt.NDArray[np.bool_], points: Floats
) -> npt.NDArray[np.float64]:
    """Keypoints (17, 3): x, y px and 2 visible, 1 hidden, 0 outside the image.

    A visible one is on a pixel of the person where the surface is in front by no more than a limb's thickness;
    beside the person's outline by a pixel, it is moved onto it.
    """
    height, width = mask.shape
    xy, depths = scene.camera.project(points)
    reach = _KEYPOINT_REACH_M * np.float32(max(0.5, np.ptp(points[:, 1]) / 1.5) if len(points) else 1)
    surface = hits.depths.reshape(height, width)
    keypoints = np.zeros((len(points), 3))
    for i, ((x, y), depth) in enumerate(zip(xy, depths, strict=True)):
        if depth <= 0 or not (0 <= x < width and 0 <= y < height):
            continue
        keypoints[i] = x, y, 1
        left, top = max(0, int(x) - 2), max(0, int(y) - 2)
        rows, columns = np.nonzero(
            mask[top : top + 5, left : left + 5] & (surface[top : top + 5, left : left + 5] > depth - reach[i])
        )
        if not len(rows):
            continue
        away = np.hypot(columns + left + 0.5 - x, rows + top + 0.5 - y)
        nearest = int(away.argmin())
        column, row = columns[nearest] + left, rows[nearest] + top
        if (column, row) == (int(x), int(y)):
            keypoints[i, 2] = 2
        elif away[nearest] <= _NEAREST_PX and not _is_in_front(surface[int(y), int(x)], depth, reach[i]):
            keypoints[i] = column + 0.5, row + 0.5, 2
    return keypoints


def _is_in_front(surface: float, depth: float, reach: float) -> bool:
    return bool(surface < depth - reach)


def _find_box(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    columns, rows = (np.flatnonzero(mask.any(axis)) for axis in (0, 1))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def _annotate_surface(
    rng: np.random.Generator,
    caster: Caster,
    hits: Hits,
    charts: npt.NDArray[Any],
    box: tuple[int, int, int, int],
) -> Json:
    left, top, width, height = box
    own = charts[top : top + height, left : left + width]
    parts = np.array(CHART_TO_MASK, np.uint8)[own]
    rows, columns = (
        ((np.arange(MASK_SIDE) + 0.5) * side / MASK_SIDE).astype(np.int64) for side in (height, width)
    )
    painted = parts[rows[:, None], columns]
    masks = [
        encode_mask(painted == part) if (painted == part).any() else [] for part in range(1, NUM_MASKS + 1)
    ]
    places = np.concatenate([_spread(rng, parts, part) for part in range(1, NUM_MASKS + 1)])
    if not len(places):
        return {}
    pixels = (places[:, 0] + top) * charts.shape[1] + places[:, 1] + left
    coordinates = caster.blend("coordinates_uv", hits, pixels).clip(0, 1).astype(np.float64)
    scaled = (places[:, ::-1] + 0.5) * MASK_SIDE / (width, height)
    return {
        "dp_masks": masks,
        "dp_x": scaled[:, 0].round(4).tolist(),
        "dp_y": scaled[:, 1].round(4).tolist(),
        "dp_I": own[places[:, 0], places[:, 1]].astype(float).tolist(),
        "dp_U": coordinates[:, 0].round(5).tolist(),
        "dp_V": coordinates[:, 1].round(5).tolist(),
    }


def _spread(rng: np.random.Generator, parts: npt.NDArray[np.uint8], part: int) -> Integers:
    """Pixels (P, 2) of a part, row and column, spread over what is seen of it."""
    height, width = parts.shape
    is_own = parts == part
    # The frame of points ends at 255 of 256.
    is_own[int(np.ceil(height * 255 / MASK_SIDE - 0.5)) :] = False
    is_own[:, int(np.ceil(width * 255 / MASK_SIDE - 0.5)) :] = False
    inner = _shrink(is_own)
    pixels = np.argwhere(inner if inner.sum() >= 4 * _PX_OF_POINT else is_own)
    count = min(MOST_POINTS_OF_PART, max(len(pixels) // _PX_OF_POINT, min(len(pixels), 1)))
    if not count:
        return np.zeros((0, 2), np.int64)
    pixels = pixels[rng.permutation(len(pixels))[:400]]
    centres = pixels[:count].astype(np.float64)
    for _ in range(_ROUNDS):
        nearest = ((pixels[:, None] - centres) ** 2).sum(2).argmin(1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, pixels)
        counts = np.bincount(nearest, minlength=count)[:, None]
        centres = np.where(counts > 0, sums / np.maximum(counts, 1), centres)
    chosen = ((pixels[:, None] - centres) ** 2).sum(2).argmin(0)
    return pixels[np.unique(chosen)]


def _shrink(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels whose four neighbours are in the mask too."""
    padded = np.pad(mask, 1)
    return np.asarray(
        mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:], np.bool_
    )
