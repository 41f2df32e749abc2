"""Smooth noise in space, the same for everything: looked up, so that it costs next to nothing."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from synthesis.pack import Floats

_SIDE = 64
_CHANNELS = 3


@cache
def _make_volume() -> Floats:
    rng = np.random.default_rng(20)
    volume = np.zeros((_SIDE, _SIDE, _SIDE, _CHANNELS))
    for channel in range(_CHANNELS):
        for sigma in (5.0, 2.0):
            layer = gaussian_filter(rng.normal(size=(_SIDE,) * 3), sigma, mode="wrap")
            volume[..., channel] += layer / layer.std() * (1.0 if sigma > 3 else 0.45)
    return (volume / volume.std()).astype(np.float32).reshape(-1, _CHANNELS)


def sample_noise(points: Floats, scale: float, offset: float = 0.0) -> Floats:
    """Noise of mean 0 and deviation 1 at points (M, 3), whose features are about `scale` wide: (M, 3)."""
    cells = points * np.float32(10.0 / scale) + np.float32(offset * 997.0)
    low = np.floor(cells)
    part = cells - low
    sides = [(low.astype(np.int32) + step) & (_SIDE - 1) for step in (0, 1)]
    volume = _make_volume()
    rows = [[(sides[i][:, 0] * _SIDE + sides[j][:, 1]) * _SIDE for j in (0, 1)] for i in (0, 1)]
    x, y, z = (part[:, axis, None] for axis in range(3))
    planes = []
    for i in (0, 1):
        lines = []
        for j in (0, 1):
            near, far = (volume[rows[i][j] + sides[k][:, 2]] for k in (0, 1))
            lines.append(near + (far - near) * z)
        planes.append(lines[0] + (lines[1] - lines[0]) * y)
    return np.asarray(planes[0] + (planes[1] - planes[0]) * x, np.float32)
