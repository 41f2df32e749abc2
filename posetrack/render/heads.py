"""Where a person's head is: generous regions from keypoints, or from the box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.frame import FloatArray
from posetrack.skeleton import Skeleton

Point = npt.NDArray[np.float64]

VISIBLE_SCORE = 0.3
"""From this score on the place of a keypoint is believed."""

# The height of a head, about 23 cm, in distances between its parts. Distances are never longer than in front of
# the camera, so of several the one that gives the largest head is right.
_HEADS_PER_PAIR = {
    ("left_ear", "right_ear"): 1.7,
    ("nose", "left_ear"): 2.0,
    ("nose", "right_ear"): 2.0,
    ("left_eye", "left_ear"): 2.8,
    ("right_eye", "right_ear"): 2.8,
    ("left_eye", "right_eye"): 3.7,
    ("head_top", "upper_neck"): 1.1,
    ("head_top", "neck"): 1.0,
    ("nose", "head_top"): 1.5,
    ("left_shoulder", "right_shoulder"): 0.62,
}
_HEADS_PER_TORSO = 0.5
# The least height of a head, in longer sides of the box.
_HEADS_PER_BOX = 1 / 8
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_NECKS = ("upper_neck", "neck")
# Radii around the middle of a head and distance of that from the shoulders, in heights of heads. A head seen
# from the side reaches 0.7 behind the middle of nose, eye and ear.
_RADIUS = 0.8
_RADIUS_FROM_SHOULDERS = 0.95
_ABOVE_SHOULDERS = 0.8


@dataclass(frozen=True)
class HeadRegion:
    """A part of an image to make unrecognisable.

    Attributes:
        box_xyxy: Around it, pixels; may reach out of the image.
        is_round: Whether it is the ellipse in that box, rather than all of it.
    """

    box_xyxy: tuple[float, float, float, float]
    is_round: bool = True

    @property
    def center_xy(self) -> tuple[float, float]:
        """The middle."""
        left, top, right, bottom = self.box_xyxy
        return (left + right) / 2, (top + bottom) / 2

    @property
    def size_wh(self) -> tuple[float, float]:
        """Width and height."""
        left, top, right, bottom = self.box_xyxy
        return right - left, bottom - top


def find_head(
    points_xy: FloatArray, scores: FloatArray, box_xyxy: FloatArray, skeleton: Skeleton
) -> tuple[list[HeadRegion], bool]:
    """Find the regions in which the head of one person may be.

    Args:
        points_xy: (K, 2), pixels.
        scores: (K,).
        box_xyxy: (4,).
        skeleton: What the K keypoints are.

    Returns:
        Regions, of which there may be none, and whether the head's own keypoints show the place beyond doubt.
    """
    seen = {
        name: point.astype(np.float64)
        for name, point, score in zip(skeleton.names, points_xy, scores, strict=True)
        if score >= VISIBLE_SCORE
    }
    height = _measure(seen, box_xyxy)
    face = [seen[name] for name in _FACE if name in seen]
    neck = next((seen[name] for name in _NECKS if name in seen), None)
    top = seen.get("head_top")
    regions = []
    if face:
        regions.append(_make_round(np.mean(face, axis=0), _RADIUS * height))
    if top is not None and neck is not None:
        regions.append(_make_round((top + neck) / 2, _RADIUS * height))
    is_sure = len(face) > 1 or (top is not None and (neck is not None or bool(face)))
    if not is_sure:
        regions += _find_above_shoulders(seen, top, neck, height)
    return regions, is_sure and _is_near(regions, box_xyxy)


def find_head_in_box(box_xyxy: FloatArray) -> HeadRegion:
    """Find the part of a person's box in which the head is: its top, or all of a box that is not high."""
    left, top, right, bottom = box_xyxy.tolist()
    width, height = right - left, bottom - top
    margin = 0.1 * min(width, height)
    part = height if height < 1.2 * width else min(height, max(0.25 * height, 0.8 * width))
    return HeadRegion((left - margin, top - margin, right + margin, top + part + margin), is_round=False)


def _measure(seen: dict[str, Point], box_xyxy: FloatArray) -> float:
    """The height of a head in pixels."""
    width, height = box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1]
    longer = float(max(width, height))
    found = [
        factor * float(np.linalg.norm(seen[a] - seen[b]))
        for (a, b), factor in _HEADS_PER_PAIR.items()
        if a in seen and b in seen
    ]
    shoulders, hips = (_middle(seen, part) for part in ("shoulder", "hip"))
    if shoulders is not None and hips is not None:
        found.append(_HEADS_PER_TORSO * float(np.linalg.norm(shoulders - hips)))
    # A keypoint that is far off does not make a head larger than the person.
    return max(min(max(found, default=0.0), longer), _HEADS_PER_BOX * longer, 1.0)


def _find_above_shoulders(
    seen: dict[str, Point], top: Point | None, neck: Point | None, height: float
) -> list[HeadRegion]:
    """Regions on the neck or the shoulders, and below the top of the head."""
    shoulders, hips = (_middle(seen, part) for part in ("shoulder", "hip"))
    up = np.array([0.0, -1.0])
    if shoulders is not None and hips is not None and np.linalg.norm(shoulders - hips) > 1:
        up = (shoulders - hips) / np.linalg.norm(shoulders - hips)
    radius, regions = _RADIUS_FROM_SHOULDERS * height, []
    if top is not None:
        regions.append(_make_round(top - up * height / 2, radius))
    if neck is not None:
        regions.append(_make_round(neck + up * height / 2, radius))
    elif shoulders is not None:
        regions.append(_make_round(shoulders + up * _ABOVE_SHOULDERS * height, radius))
    return regions


def _middle(seen: dict[str, Point], part: str) -> Point | None:
    """The middle of a left and a right keypoint, if both are seen."""
    left, right = seen.get(f"left_{part}"), seen.get(f"right_{part}")
    return None if left is None or right is None else (left + right) / 2


def _make_round(center_xy: Point, radius: float) -> HeadRegion:
    x, y = center_xy.tolist()
    return HeadRegion((x - radius, y - radius, x + radius, y + radius))


def _is_near(regions: list[HeadRegion], box_xyxy: FloatArray) -> bool:
    """Whether every region's middle lies in the person's box, or less than half of its size beside it."""
    left, top, right, bottom = box_xyxy.tolist()
    x_margin, y_margin = (right - left) / 2, (bottom - top) / 2
    return all(
        left - x_margin <= x <= right + x_margin and top - y_margin <= y <= bottom + y_margin
        for x, y in (region.center_xy for region in regions)
    )
