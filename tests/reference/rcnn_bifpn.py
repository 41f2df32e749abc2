"""BiFPN one layer at a time, written from EfficientDet's equations with the maps by name."""

from __future__ import annotations

import numpy as np


def fuse(maps: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """Fast normalised fusion: O = sum_i w_i / (epsilon + sum_j w_j) * I_i."""
    positive = [max(weight, 0.0) for weight in weights]
    total = np.zeros_like(maps[0])
    for one, weight in zip(maps, positive, strict=True):
        total += weight / (1e-4 + sum(positive)) * one
    return total


def resample_nearest(x: np.ndarray, height: int, width: int) -> np.ndarray:
    out = np.zeros((*x.shape[:2], height, width), dtype=x.dtype)
    for r in range(height):
        for c in range(width):
            out[:, :, r, c] = x[:, :, r * x.shape[2] // height, c * x.shape[3] // width]
    return out
