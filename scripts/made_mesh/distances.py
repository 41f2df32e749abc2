"""Distances along a surface: shortest ways in a graph of points on the edges of its triangles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra

from made_mesh.body import Indices, Numbers

_CHUNK = 32


def make_graph(vertices: Numbers, triangles: Indices, points_per_edge: int) -> csr_matrix:
    """Make the graph: vertices and inner points of edges, each joined with all others of its triangles.

    Args:
        vertices: (V, 3).
        triangles: (T, 3).
        points_per_edge: Inner points of each edge, evenly spread.

    Returns:
        (N, N) lengths, whose first V nodes are the vertices.
    """
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]], axis=2)
    edges, numbers = np.unique(sides.reshape(-1, 2), axis=0, return_inverse=True)
    numbers = numbers.reshape(-1, 3)
    shares = np.arange(1, points_per_edge + 1) / (points_per_edge + 1)
    starts, ends = vertices[edges[:, 0], None], vertices[edges[:, 1], None]
    points = np.concatenate([vertices, (starts + shares[:, None] * (ends - starts)).reshape(-1, 3)])
    inner = len(vertices) + np.arange(len(edges) * points_per_edge).reshape(len(edges), -1)
    nodes = np.concatenate([triangles, *(inner[numbers[:, side]] for side in range(3))], axis=1)
    first, second = np.triu_indices(nodes.shape[1], 1)
    pairs = np.sort(np.stack([nodes[:, first], nodes[:, second]], axis=2).reshape(-1, 2), axis=1)
    pairs = np.unique(pairs, axis=0)
    lengths = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    graph: csr_matrix = coo_matrix((lengths, (pairs[:, 0], pairs[:, 1])), (len(points),) * 2).tocsr()
    return graph + graph.T


def measure_from(graph: csr_matrix, sources: Indices, targets: Indices) -> Numbers:
    """(S, T) distances along the graph."""
    return np.concatenate(list(_measure_chunks(graph, sources, targets)))


def _measure_chunks(graph: csr_matrix, sources: Indices, targets: Indices) -> Iterator[Numbers]:
    for start in range(0, len(sources), _CHUNK):
        yield dijkstra(graph, indices=sources[start : start + _CHUNK])[:, targets]


def choose_spread(graph: csr_matrix, candidates: Indices, mirror: Indices, count: int) -> Indices:
    """Choose nodes that are far apart: again and again the farthest from those chosen, and its mirror node.

    Args:
        graph: The graph.
        candidates: (C,) nodes to choose from, one of each pair of mirrored ones.
        mirror: (N,) of each node that may be chosen, the node at the other side.
        count: How many, the mirrored ones not counted.

    Returns:
        (count,) of the candidates.
    """
    chosen = [int(candidates[0])]
    nearest = np.full(graph.shape[0], np.inf)
    while len(chosen) < count:
        last = chosen[-1]
        reach = float(nearest[candidates].max())
        both = [last, int(mirror[last])]
        found = dijkstra(graph, indices=both, limit=reach, min_only=True)
        nearest = np.minimum(nearest, found)
        chosen.append(int(candidates[nearest[candidates].argmax()]))
    return np.array(chosen)


def find_closest(graph: csr_matrix, sources: Indices, count: int) -> Indices:
    """Find, for each of the first `count` nodes, the place in `sources` of the closest."""
    _, _, closest = dijkstra(graph, indices=sources, min_only=True, return_predecessors=True)
    places = np.full(graph.shape[0], -1, np.int64)
    places[sources] = np.arange(len(sources))
    return places[closest[:count]]


def order_by_nearness(distances: Numbers) -> Indices:
    """An order in which each point is followed by the closest of the rest, so that rows differ little."""
    left = np.arange(1, len(distances))
    order = [0]
    while len(left):
        place = distances[order[-1], left].argmin()
        order.append(int(left[place]))
        left = np.delete(left, place)
    return np.array(order)
