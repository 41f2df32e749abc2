"""Point-in-polygon tests, for the ignore regions of the ground truth and the regions of a selection.

Source: Hormann and Agathos, "The point in polygon problem for arbitrary polygons", Computational Geometry 20
(2001): the even-odd rule by counting the edges that a ray to the right crosses. Shewchuk, "Adaptive precision
floating-point arithmetic and fast robust geometric predicates", Discrete & Computational Geometry 18 (1997): a
bound on the rounding error of a determinant.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]

_ERROR_BOUND = 3.3306690738754716e-16
"""Below this times the sum of its two products, the sign of a determinant is in doubt: (3 + 16 eps) eps."""


def find_strictly_inside(polygon_xy: DoubleArray, points_xy: DoubleArray) -> BoolArray:
    """Find the points that lie strictly inside a polygon, by the even-odd rule.

    Exact: a point on an edge or a corner is outside, whatever the rounding. On valid polygons this is
    `contains` of GEOS, which the reference tool calls through Shapely.

    Differs from GEOS on invalid polygons: one that doubles back over the edges of its bounding box has no
    inside here, and GEOS takes it for the box; where edges cross, GEOS may decide otherwise on points within
    rounding of an edge.

    Args:
        polygon_xy: (C, 2) corners in order; the last one may repeat the first. No corners: nothing is inside.
        points_xy: (..., 2), NaN for absent points, which are outside.

    Returns:
        (...), whether each point is inside.
    """
    inside = np.zeros(points_xy.shape[:-1], bool)
    if len(polygon_xy):
        # Few points are near a region, and only these are looked at.
        low_xy, high_xy = polygon_xy.min(axis=0), polygon_xy.max(axis=0)
        near = ((points_xy > low_xy) & (points_xy < high_xy)).all(axis=-1)
        if near.any():
            inside[near], _ = _locate(polygon_xy, points_xy[near])
    return inside


def find_inside_or_on(polygon_xy: DoubleArray, points_xy: DoubleArray) -> BoolArray:
    """Find the points that lie inside a polygon or on its border; as `find_strictly_inside`."""
    inside, on_border = _locate(polygon_xy, points_xy)
    return inside | on_border


def _locate(polygon_xy: DoubleArray, points_xy: DoubleArray) -> tuple[BoolArray, BoolArray]:
    """Which points lie strictly inside, and which on the border."""
    if len(polygon_xy) == 0:
        nowhere = np.zeros(points_xy.shape[:-1], bool)
        return nowhere, nowhere
    start = polygon_xy
    end = np.roll(polygon_xy, -1, axis=0)
    x, y = points_xy[..., None, 0], points_xy[..., None, 1]
    # An edge includes its lower end and not its upper one, so that a ray through a corner crosses once.
    crosses = (start[:, 1] <= y) != (end[:, 1] <= y)
    is_upward = end[:, 1] > start[:, 1]
    side = _compute_side(start, end, points_xy, crosses)
    num_crossed = (crosses & (np.where(is_upward, side, -side) > 0)).sum(axis=-1)
    is_level = (start[:, 1] == y) & (end[:, 1] == y)
    is_between = (np.minimum(start[:, 0], end[:, 0]) <= x) & (x <= np.maximum(start[:, 0], end[:, 0]))
    is_corner = (start[:, 0] == x) & (start[:, 1] == y)
    on_border = ((crosses & (side == 0)) | (is_level & is_between) | is_corner).any(axis=-1)
    return (num_crossed % 2 == 1) & ~on_border, on_border


def has_crossing_edges(polygon_xy: DoubleArray) -> bool:
    """Whether two edges of a polygon (C, 2) that are no neighbours cross; edges that only touch do not."""
    start, end = polygon_xy, np.roll(polygon_xy, -1, axis=0)
    from_start = _turn(start[:, None], end[:, None], start[None])
    to_end = _turn(start[:, None], end[:, None], end[None])
    parts = from_start * to_end < 0
    return bool((parts & parts.T).any())


def compute_area(polygon_xy: DoubleArray) -> float:
    """Area of a polygon (C, 2) by the shoelace formula."""
    x, y = polygon_xy.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _turn(a: DoubleArray, b: DoubleArray, c: DoubleArray) -> DoubleArray:
    """1 where the path a, b, c turns left, -1 where it turns right, 0 where it goes straight."""
    to_b, to_c = b - a, c - a
    return np.asarray(np.sign(to_b[..., 0] * to_c[..., 1] - to_b[..., 1] * to_c[..., 0]))


def _compute_side(
    start: DoubleArray, end: DoubleArray, points_xy: DoubleArray, needed: BoolArray
) -> DoubleArray:
    """On which side of each edge each point lies: 1 left, 0 on its line, -1 right.

    Args:
        start: (C, 2).
        end: (C, 2).
        points_xy: (..., 2).
        needed: (..., C), where the sign has to be right.

    Returns:
        (..., C).
    """
    to_start, to_end = start - points_xy[..., None, :], end - points_xy[..., None, :]
    left = to_start[..., 0] * to_end[..., 1]
    right = to_start[..., 1] * to_end[..., 0]
    side: DoubleArray = np.sign(left - right)
    doubtful = needed & (np.abs(left - right) <= _ERROR_BOUND * (np.abs(left) + np.abs(right)))
    for *where, c in np.argwhere(doubtful):
        side[*where, c] = _compute_exact_side(start[c], end[c], points_xy[*where])
    return side


def _compute_exact_side(start: DoubleArray, end: DoubleArray, point: DoubleArray) -> int:
    (ax, ay), (bx, by), (px, py) = ([Fraction(float(value)) for value in xy] for xy in (start, end, point))
    determinant = (ax - px) * (by - py) - (ay - py) * (bx - px)
    return (determinant > 0) - (determinant < 0)
