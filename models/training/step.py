"""A step of a training: losses, gradients, and the update of the network and of its average."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from models.training.config import LoopConfig
from models.training.ema import Ema
from models.training.graph import GraphedPass
from models.training.task import ComputeLosses, SplitLosses

TimePart = Callable[[str], AbstractContextManager[None]]
"""Makes the context of a part of a step, one of `PARTS`; benchmarks time it."""

PARTS = ("data", "forward", "backward", "optimizer")
"""The parts of a step: its batch on the device, its losses, their gradients, and the update of the weights.
With a CUDA graph the gradients are in `forward`, too."""

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
        graphed: Takes forward and backward passes at once; None takes them as usual.
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
        self.graphed: GraphedPass | None = None
        self._network = network
        self._shared = shared
        self._optimizer = optimizer
        self._ema = ema
        self._loop = loop
        self._device = device
        self._graphed_losses: SplitLosses | None = None

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
        if self.graphed is not None and isinstance(compute_losses, SplitLosses):
            with self.time_part("forward"):
                losses = self._take_graphed(self.graphed, batch, compute_losses, scale)
        else:
            with self.time_part("forward"):
                losses = self._compute(compute_losses, batch)
                total = add_losses(losses)
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

    def _take_graphed(
        self, graphed: GraphedPass, batch: Any, compute_losses: SplitLosses, scale: float
    ) -> Mapping[str, Tensor]:
        if self._graphed_losses is not compute_losses:
            graphed.forget()
            self._graphed_losses = compute_losses

        def run(prepared: Mapping[str, Any]) -> Mapping[str, Tensor]:
            losses = self._compute(compute_losses.compute, prepared)
            (add_losses(losses) * scale).backward()  # type: ignore[no-untyped-call]
            return {name: loss.detach() for name, loss in losses.items()}

        return graphed.take(compute_losses.prepare(batch), run)

    def _compute(self, compute_losses: ComputeLosses, batch: Any) -> Mapping[str, Tensor]:
        is_bf16 = self._loop.precision == "bf16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=is_bf16):
            return compute_losses(self._shared, batch)


def add_losses(losses: Mapping[str, Tensor]) -> Tensor:
    """The sum of losses, which is minimised."""
    return torch.stack([loss.float() for loss in losses.values()]).sum()
