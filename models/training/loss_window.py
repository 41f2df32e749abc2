"""Mean losses between two rows of the log, and the check that they are finite."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from models.training.errors import NonFiniteLossError


class LossWindow:
    """Sums of the losses since the last row of the log.

    On a GPU they are copied to the host behind their step, and checked one step late: to read a loss at once,
    or behind what was queued since, would stall the GPU.
    """

    def __init__(self) -> None:
        self.last: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._steps = self._samples = 0
        self._since_s = time.perf_counter()
        self._pending: tuple[int, list[str], Callable[[], list[float]]] | None = None

    def add(self, step: int, count: int, losses: Mapping[str, Tensor]) -> None:
        """Add the losses of a step, counted from 0, and its number of samples.

        Raises:
            NonFiniteLossError: A loss of this step, or on a GPU of the one before, is NaN or infinite.
        """
        values = torch.stack([loss.detach().float() for loss in losses.values()])
        self._look()
        self._pending = (step, list(losses), start_reading(values))
        self._samples += count
        if values.device.type == "cpu":
            self._look()

    @property
    def is_empty(self) -> bool:
        """Whether there was no step since the last row."""
        return self._steps == 0 and self._pending is None

    def close(self) -> tuple[float, dict[str, float]]:
        """Compute samples per second and mean losses since the last call, their sum `loss` first."""
        self._look()
        means = {name: value / self._steps for name, value in self._sums.items()}
        speed = self.samples_per_s
        self._sums = {}
        self._steps = self._samples = 0
        self.restart_clock()
        return speed, {"loss": sum(means.values()), **means}

    def restart_clock(self) -> None:
        """Restart the measurement of the speed."""
        self._since_s = time.perf_counter()

    @property
    def samples_per_s(self) -> float:
        """Samples per second since the last row."""
        return self._samples / max(time.perf_counter() - self._since_s, 1e-9)

    def _look(self) -> None:
        if self._pending is None:
            return
        step, names, read = self._pending
        self._pending = None
        self.last = dict(zip(names, read(), strict=True))
        if not all(math.isfinite(value) for value in self.last.values()):
            raise NonFiniteLossError(step, self.last)
        self._steps += 1
        for name, value in self.last.items():
            self._sums[name] = self._sums.get(name, 0.0) + value


def start_reading(values: Tensor) -> Callable[[], list[float]]:
    """Start to copy numbers (n,) from a device, behind what is queued there.

    Returns:
        Waits for the copy, but for nothing that was queued after it, and gives the numbers.
    """
    if values.device.type != "cuda":
        return values.tolist
    copied = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    copied.copy_(values, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(values.device))

    def read() -> list[float]:
        event.synchronize()
        numbers: list[float] = copied.tolist()
        return numbers

    return read
