"""Coordinates of a chart: its surface laid out in a plane without folds.

The chart's border is fixed on a convex outline, and each inner vertex is a weighted mean of its neighbours:
by Tutte's theorem all quads are then convex and none overlap, whatever the positive weights. They begin as
those of a harmonic map and are made smaller, again and again, where the surface is stretched. Source:
Yoshizawa, Belyaev, Seidel, "A fast and simple stretch-minimizing mesh parameterization", SMI 2004.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import spsolve

from made_mesh.body import Indices, Numbers, find_neighbors

_ROUNDS = 8


class Sheet:
    """The surface of one chart, cut open where it is to be.

    Args:
        vertices: (V, 3) of the body.
        faces: (F, 4) the chart's quads.
        cuts: Pairs of vertices, edges along which the surface is open.

    Attributes:
        corners: (F, 4) the sheet's own vertices: one for each place of the border on each side of a cut.
        origins: (R,) the vertex of the body of each.
        places: (R, 3) where it is.
    """

    def __init__(self, vertices: Numbers, faces: Indices, cuts: Iterable[tuple[int, int]] = ()) -> None:
        self.corners = _label_corners(faces, {tuple(sorted(cut)) for cut in cuts})
        self.origins = np.zeros(self.corners.max() + 1, np.int64)
        self.origins[self.corners] = faces
        self.places = vertices[self.origins]
        self.pairs, self.edges = find_neighbors(self.corners)
        self.border = _trace_border(self.corners)

    @property
    def size(self) -> int:
        """The number of vertices."""
        return len(self.origins)


def _label_corners(faces: Indices, cuts: set[tuple[int, ...]]) -> Indices:
    """Number the places of a sheet: corners are one place if faces around them are joined by uncut edges."""
    parents = list(range(faces.size))

    def find(corner: int) -> int:
        while parents[corner] != corner:
            parents[corner] = parents[parents[corner]]
            corner = parents[corner]
        return corner

    owners: dict[tuple[int, ...], tuple[int, ...]] = {}
    for number, face in enumerate(faces.tolist()):
        for side in range(4):
            here, there = 4 * number + side, 4 * number + (side + 1) % 4
            edge = tuple(sorted((face[side], face[(side + 1) % 4])))
            if edge[0] == edge[1] or edge in cuts:
                continue
            if edge in owners:
                # The neighbour runs along the edge the other way.
                parents[find(here)] = find(owners[edge][1])
                parents[find(there)] = find(owners[edge][0])
            owners[edge] = here, there
    # Corners of a triangle, whose third vertex stands twice.
    for number, face in enumerate(faces.tolist()):
        if face[2] == face[3]:
            parents[find(4 * number + 3)] = find(4 * number + 2)
    roots = np.array([find(corner) for corner in range(faces.size)])
    return np.unique(roots, return_inverse=True)[1].reshape(faces.shape)


def _trace_border(corners: Indices) -> Indices:
    """The border's vertices in order, counter-clockwise as the faces are.

    Raises:
        ValueError: The sheet is no disk.
    """
    steps = np.stack([corners, np.roll(corners, -1, axis=1)], axis=2).reshape(-1, 2)
    steps = steps[steps[:, 0] != steps[:, 1]]
    inner = {(int(a), int(b)) for a, b in steps}
    following = {a: b for a, b in inner if (b, a) not in inner}
    start = min(following)
    path = [start]
    while (after := following[path[-1]]) != start:
        path.append(after)
    if len(path) != len(following):
        raise ValueError(f"the border has {len(following)} edges, but its first loop {len(path)}; no disk")
    edges = len({tuple(sorted(step)) for step in inner})
    if corners.max() + 1 - edges + len(corners) != 1:
        raise ValueError("the sheet has handles; no disk")
    return np.array(path)


def unfold(sheet: Sheet, border_uv: Numbers, rounds: int = _ROUNDS) -> Numbers:
    """Lay a sheet out inside its outline.

    Args:
        sheet: The sheet.
        border_uv: (B, 2) where its border's vertices are, convex.
        rounds: How often weights are adapted at most.

    Returns:
        (R, 2).
    """
    first = np.concatenate([sheet.edges, sheet.edges[:, ::-1]])
    weights = np.tile(_measure_widths(sheet), 2)
    uv = _solve(sheet, first, weights, border_uv)
    best, best_stretch = uv, np.inf
    for _ in range(rounds):
        stretch, total = _measure_stretch(sheet, uv)
        if total >= best_stretch:
            break
        best, best_stretch = uv, total
        weights = weights / stretch[first[:, 1]]
        uv = _solve(sheet, first, weights, border_uv)
    return best


def _measure_widths(sheet: Sheet) -> Numbers:
    """Weights of the edges: distance of the two faces' centres by the length of the edge."""
    centers = sheet.places[sheet.corners].mean(axis=1)
    middles = sheet.places[sheet.edges].mean(axis=1)
    across = sum(np.linalg.norm(centers[sheet.pairs[:, side]] - middles, axis=1) for side in (0, 1))
    lengths = np.linalg.norm(sheet.places[sheet.edges[:, 0]] - sheet.places[sheet.edges[:, 1]], axis=1)
    return across / lengths


def _solve(sheet: Sheet, ends: Indices, weights: Numbers, border_uv: Numbers) -> Numbers:
    size = sheet.size
    fixed = np.zeros(size, bool)
    fixed[sheet.border] = True
    uv = np.zeros((size, 2))
    uv[sheet.border] = border_uv
    matrix = coo_matrix((weights, (ends[:, 0], ends[:, 1])), (size, size)).tocsr()
    laplacian: csr_matrix = diags(np.asarray(matrix.sum(axis=1)).ravel()).tocsr() - matrix
    inner = np.flatnonzero(~fixed)
    uv[inner] = spsolve(laplacian[inner][:, inner].tocsc(), -(laplacian[inner] @ uv))
    return uv


def measure_triangles(sheet: Sheet, uv: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Singular values of the map from each triangle's (u, v) to the surface, and signed areas in (u, v).

    Returns:
        Largest (2 F,), smallest (2 F,), areas (2 F,): first those of corners 0, 1, 2, then of 0, 2, 3.
    """
    triangles = np.concatenate([sheet.corners[:, [0, 1, 2]], sheet.corners[:, [0, 2, 3]]])
    p, q = uv[triangles], sheet.places[triangles]
    a, b = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    areas = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    safe = 2 * np.where(np.abs(areas) < 1e-14, 1e-14, areas)[:, None]
    first, second = q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]
    by_u = (first * b[:, 1:] - second * a[:, 1:]) / safe
    by_v = (second * a[:, :1] - first * b[:, :1]) / safe
    uu, vv, uv_ = (by_u**2).sum(axis=1), (by_v**2).sum(axis=1), (by_u * by_v).sum(axis=1)
    root = np.sqrt((uu - vv) ** 2 + 4 * uv_**2)
    return np.sqrt((uu + vv + root) / 2), np.sqrt(np.maximum((uu + vv - root) / 2, 0)), areas


def _measure_stretch(sheet: Sheet, uv: Numbers) -> tuple[Numbers, float]:
    """How much the surface is stretched around each vertex, on average 1, and in total."""
    large, small, _ = measure_triangles(sheet, uv)
    squares = np.minimum((large**2 + small**2) / 2, 1e8)
    triangles = np.concatenate([sheet.corners[:, [0, 1, 2]], sheet.corners[:, [0, 2, 3]]])
    q = sheet.places[triangles]
    areas = np.linalg.norm(np.cross(q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]), axis=1) / 2
    sums, totals = (
        np.bincount(triangles.ravel(), np.repeat(values, 3), sheet.size) for values in (squares * areas, areas)
    )
    stretch = np.sqrt(sums / totals)
    return stretch / stretch.mean(), float(np.sqrt((squares * areas).sum() / areas.sum()))
