"""Sampling between cells, one cell at a time, as the multitask paper's equations have it."""

from __future__ import annotations

import math

import numpy as np

BOX = (10.0, 20.0, 42.0, 84.0)
KEYPOINTS = [
    (12.3, 30.0, 1.0),
    (42.0, 84.0, 1.0),
    (10.0, 20.0, 0.4),
    (25.0, 50.0, 0.0),
    (9.9, 50.0, 1.0),
    (25.0, 84.1, 1.0),
]
"""In the box, on its border, uncertain, not annotated, and outside it twice."""


def sample(x: np.ndarray, px: float, py: float) -> float:
    """Eq. 2 and 3: the sum over all cells q of x(q) g(q_x, p_x) g(q_y, p_y)."""
    total = 0.0
    for qy in range(x.shape[0]):
        for qx in range(x.shape[1]):
            total += x[qy, qx] * max(0.0, 1 - abs(qx - px)) * max(0.0, 1 - abs(qy - py))
    return total


def refine_heatmap(x: np.ndarray, offsets_xy: np.ndarray) -> np.ndarray:
    """Eq. 6 for one heatmap (H, W) and offsets (2, H, W)."""
    refined = np.zeros_like(x)
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            refined[r, c] = sample(x, c + offsets_xy[0, r, c], r + offsets_xy[1, r, c])
    return refined


def convolve_deformed(
    x: np.ndarray, weight: np.ndarray, offsets: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    """Eq. 5 for x (C, H, W), weight (D, C, 3, 3), offsets (18, H, W), y before x for each cell."""
    D, C = weight.shape[:2]
    _, H, W = x.shape
    y = np.zeros((D, H, W))
    for r in range(H):
        for c in range(W):
            for n in range(9):
                py, px = r + n // 3 - 1 + offsets[2 * n, r, c], c + n % 3 - 1 + offsets[2 * n + 1, r, c]
                factor = 1.0 if mask is None else mask[n, r, c]
                for channel in range(C):
                    y[:, r, c] += weight[:, channel, n // 3, n % 3] * factor * sample(x[channel], px, py)
    return y


def draw_keypoint(keypoint_xyv: tuple[float, float, float], box: tuple[float, ...], side: int) -> np.ndarray:
    """One keypoint's Gaussian of sigma 1 cell over its box; all 0 where it is not known or outside."""
    x, y, known = keypoint_xyv
    x0, y0, x1, y1 = box
    heatmap = np.zeros((side, side))
    if known <= 0 or not (x0 <= x <= x1 and y0 <= y <= y1):
        return heatmap
    for r in range(side):
        for c in range(side):
            # The middle of the cell and the keypoint, both in cells from the box's corner.
            dx = c + 0.5 - (x - x0) * side / (x1 - x0)
            dy = r + 0.5 - (y - y0) * side / (y1 - y0)
            heatmap[r, c] = math.exp(-(dx * dx + dy * dy) / 2)
    return heatmap
