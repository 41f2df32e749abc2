"""Labels of what lies over the body: a garment's triangle takes the chart of the skin beneath."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from synthesis.atlas import BodyCharts
from synthesis.meshes import Charts, split_quads
from synthesis.pack import Floats, Integers

HEAD_CHARTS = (23, 24)

_STEPS = 3
"""Samples along a side of a triangle of the body; between them, points are projected onto the triangle."""


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
        allowed = tuple(chart for chart in allowed if (self._charts == chart).any())
        owners = self._find(corners.mean(1), allowed)
        charts = self._charts[owners]
        coordinates = np.zeros((len(corners), 3, 2), np.float32)
        for chart in np.unique(charts):
            rows = np.flatnonzero(charts == chart)
            points = corners[rows].reshape(-1, 3).astype(np.float64)
            near = self._find(points, (int(chart),))
            weights = _project(points, self._points[near])
            coordinates[rows] = np.einsum("nc,ncd->nd", weights, self._uv[near]).reshape(-1, 3, 2)
        return charts, coordinates.clip(0, 1)

    def _find(self, points: Floats, allowed: tuple[int, ...]) -> Integers:
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
