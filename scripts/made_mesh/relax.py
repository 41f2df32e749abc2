"""Room for triangles that a layout folds or squeezes to nothing: single vertices move a little.

Quads with three corners on a straight border have one such triangle, and the outline of a hand, which is not
convex, folds a few.
"""

from __future__ import annotations

import numpy as np

from made_mesh.body import Flags, Indices, Numbers
from made_mesh.unfold import Sheet

_SWEEPS = 40
# Triangles more squeezed than this part of the median are helped.
_POOR = 0.2
_TURNS = np.linspace(0, 2 * np.pi, 16, endpoint=False)
# Steps to try, by the mean length of the vertex's edges, in all directions.
_STEPS = np.concatenate(
    [size * np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1) for size in (0.3, 0.1, 0.03, 0.01)]
)


def relax(sheet: Sheet, uv: Numbers, movable: Flags | None = None) -> Numbers:
    """Move vertices of poor triangles to where the poorest around them is best, inside the outline's box.

    Args:
        sheet: The sheet.
        uv: (R, 2).
        movable: (R,) vertices that may move; None for all.

    Returns:
        (R, 2).
    """
    uv = uv.copy()
    triangles = np.concatenate([sheet.corners[:, [0, 1, 2]], sheet.corners[:, [0, 2, 3]]])
    triangles = triangles[(triangles[:, 1] != triangles[:, 2])]
    around = _list_triangles(triangles, sheet.size)
    low, high = uv.min(axis=0), uv.max(axis=0)
    sign = np.sign(_measure_areas(uv[triangles]).sum())
    flat = _flatten(sheet.places[triangles])
    for _ in range(_SWEEPS):
        quality = _measure_quality(uv[triangles], flat, sign)
        poor = np.unique(triangles[quality < _POOR * np.median(quality)])
        if movable is not None:
            poor = poor[movable[poor]]
        moved = [
            _move(int(vertex), uv, triangles[around[vertex]], flat[around[vertex]], sign, low, high)
            for vertex in poor
        ]
        if not any(moved):
            break
    return uv


def _list_triangles(triangles: Indices, size: int) -> list[Indices]:
    around: list[list[int]] = [[] for _ in range(size)]
    for number, triangle in enumerate(triangles.tolist()):
        for vertex in triangle:
            around[vertex].append(number)
    return [np.array(numbers, np.int64) for numbers in around]


def _move(
    vertex: int, uv: Numbers, triangles: Indices, flat: Numbers, sign: float, low: Numbers, high: Numbers
) -> bool:
    corners = uv[triangles]
    is_vertex = triangles == vertex
    length = np.linalg.norm(corners - uv[vertex], axis=2)[~is_vertex].mean()
    options = np.clip(uv[vertex] + length * _STEPS, low, high)
    tried = np.where(is_vertex[None, ..., None], options[:, None, None], corners[None])
    worst = _measure_quality(tried, flat[None], sign).min(axis=1)
    best = worst.argmax()
    if worst[best] <= _measure_quality(corners, flat, sign).min() + 1e-9:
        return False
    uv[vertex] = options[best]
    return True


def _flatten(places: Numbers) -> Numbers:
    """Lay triangles (T, 3, 3) flat: (T, 3) length of the first side, along it and off it the third corner."""
    first, second = places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]
    length = np.linalg.norm(first, axis=1)
    along = (first * second).sum(axis=1) / np.maximum(length, 1e-12)
    off = np.sqrt(np.maximum((second**2).sum(axis=1) - along**2, 1e-18))
    return np.stack([length, along, off], axis=1)


def _measure_areas(corners: Numbers) -> Numbers:
    first, second = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    return (first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]) / 2


def _measure_quality(corners: Numbers, flat: Numbers, sign: float) -> Numbers:
    """The smallest (u, v) per length on the surface of triangles (..., 3, 2); negative of folded ones."""
    first, second = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    length, along, off = flat[..., 0, None], flat[..., 1, None], flat[..., 2, None]
    by_x = first / length
    by_y = (second - along * by_x) / off
    xx, yy, xy = (by_x**2).sum(axis=-1), (by_y**2).sum(axis=-1), (by_x * by_y).sum(axis=-1)
    smallest = np.sqrt(np.maximum((xx + yy - np.sqrt((xx - yy) ** 2 + 4 * xy**2)) / 2, 0))
    return smallest * np.sign(sign * _measure_areas(corners))
