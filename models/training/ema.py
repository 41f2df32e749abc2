"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Ema:
    """Keeps an averaged copy of a network: after each step, `average = decay * average + (1 - decay) * weight`.

    The decay increases with the steps, min(decay, (1 + step) / (10 + step)), so that the initial weights are
    soon forgotten.
    Buffers (running means of batch norm) are averaged likewise; counters are copied.

    Args:
        network: The network, on its device; the copy is in evaluation mode.
        decay: The decay, such as 0.9998.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        # Listed once: a large network has thousands of tensors, and they are updated in place.
        own, new = self.network.state_dict(), network.state_dict()
        averaged = [name for name, value in own.items() if value.is_floating_point()]
        counters = [name for name, value in own.items() if not value.is_floating_point()]
        self._averages = [own[name] for name in averaged], [new[name] for name in averaged]
        self._counters = [own[name] for name in counters], [new[name] for name in counters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average after a step, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(*self._averages, 1 - decay)
        if self._counters[0]:
            torch._foreach_copy_(*self._counters)
