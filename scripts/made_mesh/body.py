"""MakeHuman's body as a mesh of quads, and cuts of its surface along edges."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_CAPACITY = 10_000.0
_SURE = 1_000_000_000


@dataclass(frozen=True, eq=False)
class Body:
    """The mesh: y up, facing +z, the person's left at +x, decimetres.

    Attributes:
        vertices: (V, 3).
        faces: (F, 4) quads, counter-clockwise from outside.
        mirror_vertex: (V,) the vertex at the other side.
        mirror_face: (F,) the face at the other side.
        bones: Head and tail, (2, 3), of each bone.
    """

    vertices: Numbers
    faces: Indices
    mirror_vertex: Indices
    mirror_face: Indices
    bones: dict[str, Numbers]


def read_body(folder: Path) -> Body:
    """Read `body.npz` and `bones.json`."""
    with np.load(folder / "body.npz") as content:
        vertices = content["vertices"].astype(np.float64)
        faces = content["faces_body"].astype(np.int64)
        mirror_vertex = content["mirror_vertex"].astype(np.int64)
    entries: list[dict[str, Any]] = json.loads((folder / "bones.json").read_text())
    bones = {
        entry["name"]: np.stack([vertices[entry[f"{end}_vertices"]].mean(axis=0) for end in ("head", "tail")])
        for entry in entries
    }
    return Body(vertices, faces, mirror_vertex, _find_mirror_faces(faces, mirror_vertex), bones)


def _find_mirror_faces(faces: Indices, mirror_vertex: Indices) -> Indices:
    places = {tuple(sorted(face)): i for i, face in enumerate(faces.tolist())}
    mirrored = np.sort(mirror_vertex[faces], axis=1)
    return np.array([places[tuple(face)] for face in mirrored.tolist()])


def compute_normals(vertices: Numbers, faces: Indices) -> Numbers:
    """(F, 3) unit normals of quads, outwards."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def find_neighbors(faces: Indices) -> tuple[Indices, Indices]:
    """Find the edges that two of the faces share: (E, 2) faces and (E, 2) vertices."""
    ends = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    owners = np.repeat(np.arange(len(faces)), faces.shape[1])
    order = np.lexsort((owners, ends[:, 1], ends[:, 0]))
    ends, owners = ends[order], owners[order]
    # A triangle, whose third vertex stands twice, has an edge of no length.
    is_edge = ends[1:, 0] != ends[1:, 1]
    first = np.flatnonzero((ends[1:] == ends[:-1]).all(axis=1) & is_edge)
    return np.stack([owners[first], owners[first + 1]], axis=1), ends[first]


def cut_surface(pairs: Indices, costs: Numbers, inside: Flags, outside: Flags) -> Flags:
    """Part faces in two along the edges of least total cost.

    Args:
        pairs: (E, 2) faces that share an edge.
        costs: (E,) of cutting there.
        inside: (F,) faces that are surely in the first part.
        outside: (F,) faces that are surely in the second.

    Returns:
        (F,) whether a face is in the first part.
    """
    count = len(inside)
    source, sink = count, count + 1
    sides = [np.flatnonzero(inside), np.flatnonzero(outside)]
    rows = [pairs[:, 0], pairs[:, 1], np.full(len(sides[0]), source), sides[1]]
    columns = [pairs[:, 1], pairs[:, 0], sides[0], np.full(len(sides[1]), sink)]
    whole = np.maximum(1, np.rint(costs * _CAPACITY)).astype(np.int32)
    capacities = [whole, whole, *(np.full(len(side), _SURE, np.int32) for side in sides)]
    graph = coo_matrix(
        (np.concatenate(capacities), (np.concatenate(rows), np.concatenate(columns))), (count + 2, count + 2)
    ).tocsr()
    left = graph - maximum_flow(graph, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    is_inside = np.zeros(count + 2, bool)
    is_inside[reached] = True
    return is_inside[:count]
