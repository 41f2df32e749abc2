"""What all families share when a training is evaluated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import nn

from models.data.samples import IntArray

Metrics = dict[str, float | None]
"""Numbers by name, the one that counts most first; None is undefined."""


def evaluate_nothing(network: nn.Module, epoch: int) -> Mapping[str, float | None]:
    """Stands where only the main process evaluates."""
    raise AssertionError("only the main process evaluates")


def spread_positions(count: int, most: int) -> IntArray:
    """At most so many rising positions of `count`, spread over all."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
