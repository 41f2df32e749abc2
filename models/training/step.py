"""A step of a training: losses, gradients, and the update of the network and of its average."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from models.training.config import LoopConfig
from models.training.ema import Ema
from models.training.task import ComputeLosses

TimePart = Callable[[str], AbstractContextManager[None]]
"""Makes the context of a part of a step, one of `PARTS`; benchmarks time it."""

PARTS = ("data", "forward", "backward", "optimizer")
"""The parts of a step: its batch on the device, its losses, their gradients, and the update of the weights."""

_UNTIMED = nullcontext()


def leave_untimed(part: str) -> AbstractContextManager[None]:
    """The context of a part that nobody times."""
    return _UNTIMED


class StepTaker:
    """Takes the steps of a training.

    Args:
        network: The network.
        shared: The same, as it is called: with the gradients of all processes.
        optimizer: Its optimiser.
        ema: Its average; None for none.
        loop: Settings of the loop.
        device: The network's device.

    Attributes:
        time_part: Makes the context of each part.
    """

    def __init__(
        self,
        network: nn.Module,
        shared: nn.Module,
        optimizer: torch.optim.Optimizer,
        ema: Ema | None,
        loop: LoopConfig,
        device: torch.device,
    ) -> None:
        self.time_part: TimePart = leave_untimed
        self._network = network
        self._shared = shared
        self._optimizer = optimizer
        self._ema = ema
        self._loop = loop
        self._device = device

    def take(
        self, batch: Any, compute_losses: ComputeLosses, *, step: int, scale: float
    ) -> Mapping[str, Tensor]:
        """Take a step.

        Args:
            batch: Its batch, on the device.
            compute_losses: Computes the losses.
            step: Its number, from 0.
            scale: Factor of the gradients.

        Returns:
            The losses by name, scalars on the device, for which nothing has waited.
        """
        with self.time_part("forward"):
            losses = self._compute(batch, compute_losses)
            total = torch.stack([loss.float() for loss in losses.values()]).sum()
        with self.time_part("backward"):
            self._optimizer.zero_grad(set_to_none=True)
            (total * scale).backward()  # type: ignore[no-untyped-call]
        with self.time_part("optimizer"):
            if self._loop.max_grad_norm > 0:
                nn.utils.clip_grad_norm_(self._network.parameters(), self._loop.max_grad_norm)
            self._optimizer.step()
            if self._ema is not None:
                self._ema.update(step)
        return losses

    def _compute(self, batch: Any, compute_losses: ComputeLosses) -> Mapping[str, Tensor]:
        is_bf16 = self._loop.precision == "bf16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=is_bf16):
            return compute_losses(self._shared, batch)
