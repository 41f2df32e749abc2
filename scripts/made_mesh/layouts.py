"""Outlines of the charts: where the border of each lies in the square of u and v (see docs/densepose.md)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from made_mesh.body import Body, Flags, Indices, Numbers
from made_mesh.unfold import Sheet, unfold

_HEADS, _TORSO, _HANDS, _FEET = (23, 24), (1, 2), (3, 4), (5, 6)
# Of the left limbs: chart, charts beyond it, charts before it, and the bone it lies around.
LIMBS = (
    (8, (12, 14), (1, 2), "upperleg01.L"),
    (10, (12, 14), (1, 2), "upperleg01.L"),
    (12, _FEET, (8, 10), "lowerleg01.L"),
    (14, _FEET, (8, 10), "lowerleg01.L"),
    (15, (19, 21), (1, 2), "upperarm01.L"),
    (17, (19, 21), (1, 2), "upperarm01.L"),
    (19, _HANDS, (15, 17), "lowerarm01.L"),
    (21, _HANDS, (15, 17), "lowerarm01.L"),
)


class Borders:
    """Which chart lies beyond each edge of the body."""

    def __init__(self, body: Body, charts: Indices) -> None:
        steps = np.stack([body.faces, np.roll(body.faces, -1, axis=1)], axis=2).reshape(-1, 2)
        owners = np.repeat(charts, 4)
        self._charts = {(int(a), int(b)): int(chart) for (a, b), chart in zip(steps, owners, strict=True)}

    def look_across(self, sheet: Sheet) -> Indices:
        """The chart beyond each edge of a sheet's border, from each vertex to the next; -1 for none."""
        path = sheet.origins[sheet.border]
        following = np.roll(path, -1)
        return np.array([self._charts.get((int(b), int(a)), -1) for a, b in zip(path, following, strict=True)])


def place_border(sheet: Sheet, corners: Sequence[int], targets: Sequence[tuple[float, float]]) -> Numbers:
    """Place a border: at corners as said, between them by length.

    Args:
        sheet: The sheet.
        corners: Places in its border, in the border's order but beginning anywhere.
        targets: u and v of each.

    Returns:
        (B, 2).
    """
    count = len(sheet.border)
    points = sheet.places[sheet.border]
    lengths = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    uv = np.zeros((count, 2))
    for i, start in enumerate(corners):
        end = corners[(i + 1) % len(corners)]
        run = (start + np.arange((end - start) % count + 1)) % count
        way = np.concatenate([[0.0], np.cumsum(lengths[run[:-1]])])
        first, last = np.array(targets[i]), np.array(targets[(i + 1) % len(targets)])
        uv[run] = first + (way / way[-1])[:, None] * (last - first)
    return uv


def lay_limb(
    sheet: Sheet, across: Indices, far: Sequence[int], near: Sequence[int], outward: Numbers
) -> Numbers:
    """Lay out one half of a part of a limb: u from the inner seam to the outer one, v towards the body."""
    kinds = np.where(np.isin(across, far), 0, np.where(np.isin(across, near), 2, 1))
    corners = np.flatnonzero(kinds != np.roll(kinds, 1))
    if len(corners) != 4:
        raise ValueError(f"the outline has {len(corners)} corners, not 4")
    heights = sheet.places[sheet.border] @ outward
    ends = []
    for i, corner in enumerate(corners):
        # A corner lies between a seam and the end of the limb.
        seam = i if kinds[corner] == 1 else i - 1
        end = kinds[corner] if kinds[corner] != 1 else kinds[corner - 1]
        run = _list_run(corners, seam, len(kinds))
        other = _list_run(corners, seam + 2, len(kinds))
        ends.append((float(heights[run].mean() > heights[other].mean()), float(end == 2)))
    return unfold(sheet, place_border(sheet, corners.tolist(), ends))


def _list_run(corners: Indices, i: int, count: int) -> Indices:
    start, end = corners[i % len(corners)], corners[(i + 1) % len(corners)]
    return (start + np.arange((end - start) % count + 1)) % count


def lay_torso(sheet: Sheet, across: Indices) -> Numbers:
    """Lay out one half of the torso: u from the person's right to the left, v upwards."""
    points = sheet.places[sheet.border]
    corners = {}
    for side in (-1, 1):
        is_side = side * points[:, 0] > 0
        arm = _find_ends(is_side & np.isin(across, range(15, 23)))
        leg = _find_ends(is_side & np.isin(across, range(7, 15)))
        corners[max(arm, key=lambda place: points[place, 1])] = (0.5 + 0.5 * side, 1.0)
        corners[max(leg, key=lambda place: side * points[place, 0])] = (0.5 + 0.5 * side, 0.0)
    order = sorted(corners)
    return unfold(sheet, place_border(sheet, order, [corners[place] for place in order]))


def _find_ends(is_run: Flags) -> tuple[int, int]:
    """First vertex and the one after the last edge of a run of edges around a border."""
    starts = np.flatnonzero(is_run & ~np.roll(is_run, 1))
    stops = np.flatnonzero(~is_run & np.roll(is_run, 1))
    if len(starts) != 1 or len(stops) != 1:
        raise ValueError(f"the neighbour lies along {len(starts)} parts of the outline, not one")
    return int(starts[0]), int(stops[0])


def lay_head(sheet: Sheet, across: Indices, crown: float) -> Numbers:
    """Lay out a half of the head: u from the face to the back, v from the neck to the crown.

    Args:
        sheet: The half.
        across: Charts beyond its border.
        crown: What of the middle line is higher is the upper side.
    """
    points = sheet.places[sheet.border]
    ends = _find_ends(np.isin(across, _TORSO))
    top = np.flatnonzero((points[:, 1] > crown) & ~np.isin(across, _TORSO))
    front, back = points[top, 2].argmax(), points[top, 2].argmin()
    corners = {int(top[front]): (0.0, 1.0), int(top[back]): (1.0, 1.0)}
    corners |= {place: (float(points[place, 2] < points[list(ends), 2].mean()), 0.0) for place in ends}
    order = sorted(corners)
    return unfold(sheet, place_border(sheet, order, [corners[place] for place in order]))


def close_pockets(body: Body, charts: Indices) -> tuple[Numbers, Indices]:
    """Close the openings of the left eye and of the left half of the mouth by triangles around a middle.

    Returns:
        The body's vertices and the two middles, eye and mouth; and the triangles (T, 4), with the middle twice.
    """
    corners = body.faces[(charts == 0) & (body.vertices[body.faces][:, :, 0] >= -1e-6).all(axis=1)]
    steps = np.stack([corners, np.roll(corners, -1, axis=1)], axis=2).reshape(-1, 2)
    inner = {(int(a), int(b)) for a, b in steps}
    is_middle = np.abs(body.vertices[:, 0]) < 1e-6
    rim = np.array([(a, b) for a, b in inner if (b, a) not in inner and not (is_middle[a] and is_middle[b])])
    is_eye = body.vertices[rim[:, 0], 1] > (body.bones["eye.L"][0, 1] + body.bones["jaw"][0, 1]) / 2
    middles, triangles = [], []
    for number, edges in enumerate((rim[is_eye], rim[~is_eye])):
        places = body.vertices[np.unique(edges)]
        ends = places[np.abs(places[:, 0]) < 1e-6]
        middles.append(ends.mean(axis=0) if len(ends) else places.mean(axis=0))
        middle = np.full((len(edges), 1), len(body.vertices) + number)
        triangles.append(np.concatenate([edges, middle, middle], axis=1))
    return np.concatenate([body.vertices, middles]), np.concatenate(triangles)


def find_foot_cut(body: Body, faces: Indices, border: Indices) -> tuple[list[int], int]:
    """Find the way from the back of the ankle down the heel and along the sole to the tip of the middle toe.

    Returns:
        Its vertices, and the one under the ball of the foot.
    """
    vertices = body.vertices
    inside = np.unique(faces)
    back = int(border[vertices[border, 2].argmin()])
    ankle, ball = body.bones["foot.L"][0], body.bones["toe3-1.L"][0]
    toe = body.bones["toe3-3.L"][1]
    heel = _find_nearest(vertices, inside, np.array([ankle[0], vertices[inside, 1].min(), ankle[2] - 0.3]))
    under = _find_nearest(vertices, inside, np.array([ball[0], vertices[inside, 1].min(), ball[2] - 0.3]))
    tip = _find_nearest(vertices, inside, toe + np.array([0, 0, 1.0]))
    stops = (back, heel, under, tip)
    ends = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    lengths = np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1)
    graph = coo_matrix((lengths, (ends[:, 0], ends[:, 1])), (len(vertices),) * 2).tocsr()
    path = [back]
    for start, end in pairwise(stops):
        _, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
        way = [end]
        while way[-1] != start:
            way.append(int(before[way[-1]]))
        path += way[-2::-1]
    return path, under


def _find_nearest(vertices: Numbers, among: Indices, point: Numbers) -> int:
    return int(among[np.linalg.norm(vertices[among] - point, axis=1).argmin()])


def lay_foot(sheet: Sheet, across: Indices, under: int) -> Numbers:
    """Lay out a foot cut open below: u from the sole's middle around the inner side, v to the ankle."""
    border = sheet.border
    ankle = across >= 0
    is_ankle = np.isin(across, range(7, 15)) & ankle
    first, last = _find_ends(is_ankle)
    run = _list_run(np.array([first, last]), 0, len(border))
    early, late = run[: len(run) // 3], run[-len(run) // 3 :]
    starts_inside = sheet.places[border[early], 0].mean() < sheet.places[border[late], 0].mean()
    balls = np.flatnonzero(sheet.origins[border] == under)
    before, after = sorted(balls.tolist(), key=lambda place: (place - last) % len(border))
    inner, outer = (0.0, 1.0) if starts_inside else (1.0, 0.0)
    corners = {first: (inner, 1.0), last: (outer, 1.0), before: (outer, 0.0), after: (inner, 0.0)}
    order = sorted(corners)
    return unfold(sheet, place_border(sheet, order, [corners[place] for place in order]))
