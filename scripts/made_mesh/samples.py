"""Points of the body's surface that are evenly spread, and the distances between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from made_mesh.body import Body, Indices, Numbers
from made_mesh.distances import choose_spread, find_closest, make_graph, measure_from, order_by_nearness
from made_mesh.layouts import close_pockets

_POINTS_PER_EDGE = 4
# Enough to see which vertices are far apart and which is closest.
_COARSE_POINTS_PER_EDGE = 1


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of the left half and the middle, L of them, and their mirror images.

    Attributes:
        closest: (V,) of each vertex of the body the closest sample: 0 to L - 1 of the left half, L + i the
            mirror image of sample i (also of one in the middle, which is its own).
        is_middle: (L,) whether a sample is its own mirror image.
        same_side: (L, L) distances.
        other_side: (L, L) distances to mirror images.
    """

    closest: Indices
    is_middle: Indices
    same_side: Numbers
    other_side: Numbers


def measure_samples(body: Body, charts: Indices, count: int) -> Samples:
    """Choose samples, `count` of them on the left half and in the middle, and measure."""
    vertices, triangles, mirror = _close_surface(body, charts)
    coarse = make_graph(vertices, triangles, _COARSE_POINTS_PER_EDGE)
    used = np.unique(body.faces[charts > 0])
    left = used[body.vertices[used, 0] > -1e-6]
    # From the crown on.
    left = left[np.argsort(-body.vertices[left, 1], kind="stable")]
    chosen = choose_spread(coarse, left, mirror, count)
    fine = make_graph(vertices, triangles, _POINTS_PER_EDGE)
    both = measure_from(fine, chosen, np.concatenate([chosen, mirror[chosen]]))
    order = order_by_nearness(both[:, :count])
    chosen = chosen[order]
    same, other = both[np.ix_(order, order)], both[np.ix_(order, order + count)]
    closest = find_closest(coarse, np.concatenate([chosen, mirror[chosen]]), len(body.vertices))
    # Diagonals of quads differ between the sides.
    right = body.vertices[:, 0] < -1e-6
    closest[right] = (closest[body.mirror_vertex[right]] + count) % (2 * count)
    same, other = ((each + each.T) / 2 for each in (same, other))
    is_middle = mirror[chosen] == chosen
    shared = is_middle[:, None] | is_middle
    same, other = (np.where(shared, (same + other) / 2, each) for each in (same, other))
    return Samples(closest, is_middle, same, other)


def _close_surface(body: Body, charts: Indices) -> tuple[Numbers, Indices, Indices]:
    """The outside of the body without openings: vertices, triangles, and each vertex's mirror image."""
    vertices, lids = close_pockets(body, charts)
    faces = body.faces[charts > 0]
    eye, mouth = len(body.vertices), len(body.vertices) + 1
    mirror = np.concatenate([body.mirror_vertex, [mouth + 1, mouth, eye]])
    vertices = np.concatenate([vertices, vertices[eye : eye + 1] * (-1, 1, 1)])
    lids = lids[:, :3]
    triangles = np.concatenate([faces[:, :3], faces[:, [0, 2, 3]], lids, mirror[lids]])
    return vertices, triangles, mirror
