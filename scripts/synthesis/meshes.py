"""Meshes: triangles with what rays need to know at their corners, cut and made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from synthesis.pack import Floats, Integers

Charts = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Surface:
    """F triangles in the world, in metres, y up.

    Attributes:
        corners: (F, 3, 3).
        normals: (F, 3, 3), of the smooth surface at the corners.
        places: (F, 3, 3), the corners on the undeformed thing, in its own units: its look is drawn by them.
        charts: (F,) 1..24 of people, 0 of things.
        coordinates_uv: (F, 3, 2).
    """

    corners: Floats
    normals: Floats
    places: Floats
    charts: Charts
    coordinates_uv: Floats

    def __len__(self) -> int:
        return len(self.corners)


def split_quads(quads: Integers) -> tuple[Integers, Integers, Integers]:
    """Triangles of quads, whose triangles have the third vertex twice.

    Returns:
        Vertices (F, 3); the quad of each (F,); which corners of the quad they are (F, 3).
    """
    second = np.flatnonzero(quads[:, 2] != quads[:, 3])
    faces = np.concatenate([np.arange(len(quads)), second])
    corners = np.concatenate(
        [np.broadcast_to([0, 1, 2], (len(quads), 3)), np.broadcast_to([0, 2, 3], (len(second), 3))]
    )
    return quads[faces[:, None], corners], faces, corners


def link_vertices(triangles: Integers, count: int) -> sparse.csr_matrix:
    """Which triangles each vertex belongs to, (count, F) sparse, ones."""
    rows, columns = triangles.ravel(), np.repeat(np.arange(len(triangles)), 3)
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, len(triangles)))


def find_normals(vertices: Floats, triangles: Integers, links: sparse.csr_matrix) -> Floats:
    """Unit normals of the vertices, means of the triangles' by area."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    normals = links @ np.cross(b - a, c - a)
    return np.asarray(normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12), np.float32)


def cut_triangles(values: Floats) -> tuple[Integers, Floats]:
    """Cut triangles where a value at their corners is above 0.

    Args:
        values: (F, 3).

    Returns:
        The triangle that each of the new ones is part of (G,), and the weights of its corners (G, 3, 3).
    """
    is_in = values > 0
    counts = is_in.sum(1)
    owners, weights = (
        [np.flatnonzero(counts == 3)],
        [np.broadcast_to(np.eye(3), (int((counts == 3).sum()), 3, 3))],
    )
    for count in (1, 2):
        rows = np.flatnonzero(counts == count)
        # The corner that is alone comes first, and the order around stays.
        first = (is_in[rows] == (count == 1)).argmax(1)
        order = (first[:, None] + np.arange(3)) % 3
        own = np.take_along_axis(values[rows], order, 1)
        eye = np.eye(3)[order]
        cuts = []
        for other in (1, 2):
            fraction = (own[:, 0] / (own[:, 0] - own[:, other]))[:, None]
            cuts.append(eye[:, 0] * (1 - fraction) + eye[:, other] * fraction)
        if count == 1:
            owners.append(rows)
            weights.append(np.stack([eye[:, 0], cuts[0], cuts[1]], 1))
        else:
            owners += [rows, rows]
            weights += [
                np.stack([cuts[0], eye[:, 1], eye[:, 2]], 1),
                np.stack([cuts[0], eye[:, 2], cuts[1]], 1),
            ]
    return np.concatenate(owners), np.concatenate(weights).astype(np.float32)


def join_surfaces(surfaces: Sequence[Surface]) -> Surface:
    """One surface of several."""
    names = ("corners", "normals", "places", "charts", "coordinates_uv")
    return Surface(*(np.concatenate([getattr(surface, name) for surface in surfaces]) for name in names))


def make_thing(
    vertices: Floats, triangles: Integers, matrix: Floats, shift: Floats, is_smooth: bool
) -> Surface:
    """A thing of its own vertices (metres), turned by a matrix (3, 3) and moved."""
    places = np.asarray(vertices[triangles], np.float32)
    corners = np.asarray(places @ matrix.T + shift, np.float32)
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-12
    normals = np.repeat(flat[:, None], 3, 1).astype(np.float32)
    if is_smooth:
        world = np.asarray(vertices @ matrix.T + shift, np.float32)
        normals = find_normals(world, triangles, link_vertices(triangles, len(vertices)))[triangles]
    charts = np.zeros(len(triangles), np.uint8)
    return Surface(corners, normals, places, charts, np.zeros((len(triangles), 3, 2), np.float32))


def make_box(size_xyz: Sequence[float]) -> tuple[Floats, Integers]:
    """Vertices and triangles of a box on the ground, centred over the origin."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (0.0, 1.0) for z in (-0.5, 0.5)]) * size_xyz
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    return corners.astype(np.float32), split_quads(quads)[0]


def make_round(profile: Sequence[tuple[float, float]], sides: int = 24) -> tuple[Floats, Integers]:
    """Vertices and triangles of a body of revolution about y, of radii and heights from below upwards."""
    angles = 2 * np.pi * np.arange(sides) / sides
    rings = [np.stack([r * np.cos(angles), np.full(sides, y), r * np.sin(angles)], 1) for r, y in profile]
    row, column = np.meshgrid(np.arange(len(profile) - 1), np.arange(sides), indexing="ij")
    ahead = (column + 1) % sides
    quads = np.stack(
        [row * sides + column, (row + 1) * sides + column, (row + 1) * sides + ahead, row * sides + ahead], -1
    )
    return np.concatenate(rings).astype(np.float32), split_quads(quads.reshape(-1, 4))[0]
