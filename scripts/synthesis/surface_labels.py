"""Labels of what lies over the body: a garment's triangle takes the chart of the skin beneath."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from synthesis.atlas import BodyCharts
from synthesis.meshes import Charts, split_quads
from synthesis.pack import Floats, Integers

HEAD_CHARTS = (23, 24)

_FAR_UV = 0.2
_MOST_SPLITS = 3
_SMALL_DM = 0.2
_QUARTERS = np.float32(
    [
        [[2, 0, 0], [1, 1, 0], [1, 0, 1]],
        [[1, 1, 0], [0, 2, 0], [0, 1, 1]],
        [[1, 0, 1], [0, 1, 1], [0, 0, 2]],
        [[1, 1, 0], [0, 1, 1], [1, 0, 1]],
    ]
) / np.float32(2)
"""The four quarters of a triangle, their corners as weights of its own."""
_STEPS = 3
"""Samples along a side of a triangle of the body; between them, points are projected onto the triangle."""


@dataclass(frozen=True, eq=False)
class FineLabels:
    """Labels of G pieces of triangles.

    Attributes:
        parents: (G,), the triangle that each is part of.
        weights: (G, 3, 3), its corners, as weights of that one's.
        charts: (G,) 1..24.
        coordinates_uv: (G, 3, 2).
    """

    parents: Integers
    weights: Floats
    charts: Charts
    coordinates_uv: Floats


class SkinLabels:
    """The charts of a body's triangles, and of points near to it.

    Attributes:
        triangles: (F, 3) vertices.
        charts: (F,), never 0: what has no chart takes the nearest one's.
        coordinates_uv: (F, 3, 2).
        is_outside: (F,), whether the atlas has a chart for it.
    """

    def __init__(self, vertices: Floats, quads: Integers, atlas: BodyCharts) -> None:
        self.triangles, faces, corners = split_quads(quads)
        charts = atlas.face_charts[faces]
        coordinates = atlas.corner_uv[faces[:, None], corners]
        self.is_outside = charts > 0
        known = np.flatnonzero(self.is_outside)
        self._points = vertices[self.triangles[known]].astype(np.float64)
        self._charts, self._uv = charts[known], coordinates[known].astype(np.float64)
        steps = np.array([(i, j) for i in range(_STEPS + 1) for j in range(_STEPS + 1 - i)]) / _STEPS
        weights = np.column_stack([steps, 1 - steps.sum(1)]) * 0.98 + 0.02 / 3
        self._samples = np.einsum("sc,fcd->fsd", weights, self._points).reshape(-1, 3)
        self._owners = np.repeat(np.arange(len(known)), len(weights))
        self._trees: dict[tuple[int, ...], tuple[cKDTree, Integers]] = {}
        self.charts, self.coordinates_uv = charts.copy(), coordinates.copy()
        inside = np.flatnonzero(~self.is_outside)
        if len(inside):
            self.charts[inside], self.coordinates_uv[inside] = self.label(vertices[self.triangles[inside]])

    def label(self, corners: Floats, allowed: tuple[int, ...] = ()) -> tuple[Charts, Floats]:
        """Label triangles near to the body at rest.

        Args:
            corners: (G, 3, 3).
            allowed: The charts to choose among; none for all of them.

        Returns:
            Charts (G,), by the triangles' middles, and (G, 3, 2) coordinates of the corners in them.
        """
        middles = corners.mean(1)
        charts = self._charts[self._find(middles, allowed)]
        coordinates = np.zeros((len(corners), 3, 2), np.float32)
        for chart in np.unique(charts):
            rows = np.flatnonzero(charts == chart)
            own = self._read(corners[rows].reshape(-1, 3), (int(chart),)).reshape(-1, 3, 2)
            # On the other side of a chart's cut, coordinates are far away: there, the middle's are taken.
            middle = self._read(middles[rows], (int(chart),))[:, None]
            coordinates[rows] = np.where((np.abs(own - middle) > _FAR_UV).any(2, keepdims=True), middle, own)
        return charts, coordinates.clip(0, 1)

    def label_finely(self, corners: Floats, allowed: tuple[int, ...] = ()) -> FineLabels:
        """Label triangles near to the body at rest, split where charts or their cuts meet."""
        parents = np.arange(len(corners))
        weights = np.broadcast_to(np.eye(3, dtype=np.float32), (len(corners), 3, 3))
        done: list[tuple[Integers, Floats]] = []
        for _ in range(_MOST_SPLITS):
            pieces = weights @ corners[parents]
            is_mixed = self._find_mixed(pieces, allowed)
            done.append((parents[~is_mixed], weights[~is_mixed]))
            parents = np.repeat(parents[is_mixed], 4)
            weights = (_QUARTERS @ weights[is_mixed][:, None]).reshape(-1, 3, 3)
        done.append((parents, weights))
        parents, weights = (np.concatenate(arrays) for arrays in zip(*done, strict=True))
        return FineLabels(parents, weights, *self.label(weights @ corners[parents], allowed))

    def _find_mixed(self, corners: Floats, allowed: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Which triangles have corners in several charts, or on both sides of a cut, and are not yet small."""
        if not len(corners):
            return np.zeros(0, bool)
        points = corners.reshape(-1, 3)
        charts = self._charts[self._find(points, allowed)].reshape(-1, 3)
        coordinates = self._read(points, allowed).reshape(-1, 3, 2)
        is_mixed = (charts != charts[:, :1]).any(1) | (np.ptp(coordinates, axis=1) > _FAR_UV).any(1)
        sides = np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2).max(1)
        return is_mixed & (sides > _SMALL_DM)

    def _read(self, points: Floats, allowed: tuple[int, ...]) -> Floats:
        """Coordinates at the skin nearest to points (n, 3)."""
        near = self._find(points, allowed)
        weights = _project(points.astype(np.float64), self._points[near])
        return np.asarray(np.einsum("nc,ncd->nd", weights, self._uv[near]), np.float32)

    def _find(self, points: Floats, allowed: tuple[int, ...]) -> Integers:
        allowed = tuple(chart for chart in allowed if (self._charts == chart).any())
        if allowed not in self._trees:
            is_allowed = np.isin(self._charts[self._owners], allowed) if allowed else slice(None)
            self._trees[allowed] = cKDTree(self._samples[is_allowed]), self._owners[is_allowed]
        tree, owners = self._trees[allowed]
        return owners[tree.query(points)[1]]


def _project(points: Floats, triangles: Floats) -> Floats:
    """Weights of the corners, of sum 1 and not negative, of about the nearest points of triangles."""
    a, b, c = (triangles[:, i] for i in range(3))
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = ((x * y).sum(1) for x, y in ((ab, ab), (ab, ac), (ac, ac)))
    d20, d21 = (ap * ab).sum(1), (ap * ac).sum(1)
    span = np.maximum(d00 * d11 - d01 * d01, 1e-18)
    v, w = (d11 * d20 - d01 * d21) / span, (d00 * d21 - d01 * d20) / span
    weights = np.stack([1 - v - w, v, w], 1).clip(0, 1)
    return weights / weights.sum(1, keepdims=True)
