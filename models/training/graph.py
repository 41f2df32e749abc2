"""Forward and backward pass of a step as one CUDA graph, which the host starts at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from models.training.config import LoopConfig
from models.training.distributed import World
from models.training.task import ComputeLosses, SplitLosses

_log = logging.getLogger(__name__)

# Steps of each shape that are taken as usual before one is recorded: libraries set themselves up in the first.
_WARM_UP_STEPS = 3
# Batches of an epoch have two sizes at most.
_MOST_SHAPES = 4

Losses = Mapping[str, Tensor]
Pass = Callable[[Any], Losses]
"""Computes the losses of a prepared batch, and their gradients."""


class Recording(Protocol):
    """A recorded pass."""

    def replay(self) -> None:
        """Do again what was recorded, with what its batch is now."""


Record = Callable[[Callable[[], None]], Recording]
"""Records the work that a function gives a device."""


def find_obstacle(device: torch.device, world_size: int, compute_losses: ComputeLosses) -> str:
    """Why a training has no graph; empty where it may have one."""
    if device.type != "cuda":
        return f"it is for GPUs, and this training is on {device}"
    if world_size > 1:
        return "it is for a single process"
    if not isinstance(compute_losses, SplitLosses):
        return "the shapes of this network's training depend on what it finds"
    return ""


def make_graphed(
    network: nn.Module, loop: LoopConfig, world: World, compute_losses: ComputeLosses
) -> GraphedPass | None:
    """Make what takes the passes of a training as graphs, if it is to; where it cannot, one line is logged."""
    if not loop.cuda_graph:
        return None
    obstacle = find_obstacle(world.device, world.size, compute_losses)
    if obstacle:
        _log.warning("loop.cuda_graph: %s; steps are taken as usual", obstacle)
        return None
    return GraphedPass(network)


def record_on_gpu(work: Callable[[], None]) -> Recording:
    """Record the work that a function gives the current GPU, without doing it."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    graph = torch.cuda.CUDAGraph()
    # The outer context restores the stream where recording fails.
    with torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream):
        work()
    return cast(Recording, graph)


class GraphedPass:
    """Takes passes, records one of each shape of batch, and repeats it from then on.

    What cannot be recorded is logged in one line, and taken as usual.

    Args:
        network: The network, whose gradients a pass sets.
        record: Records a pass.
    """

    def __init__(self, network: nn.Module, record: Record = record_on_gpu) -> None:
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._record = record
        self._counts: dict[tuple[Any, ...], int] = {}
        self._recorded: dict[tuple[Any, ...], _Recorded] = {}
        self._is_possible = True

    def forget(self) -> None:
        """Forget what was recorded, as where other losses follow."""
        self._counts, self._recorded = {}, {}

    def take(self, batch: Mapping[str, Any], run: Pass) -> Losses:
        """Take a pass.

        Args:
            batch: The prepared batch: tensors, and lists of them.
            run: The pass, which is to add gradients to none.

        Returns:
            The losses by name, which the next pass may change.
        """
        tensors = list_tensors(batch)
        key = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        if key not in self._recorded and not self._try_to_record(key, batch, run):
            self._clear_gradients()
            return run(batch)
        recorded = self._recorded[key]
        for own, new in zip(recorded.tensors, tensors, strict=True):
            own.copy_(new, non_blocking=True)
        recorded.recording.replay()
        for parameter, gradient in zip(self._parameters, recorded.gradients, strict=True):
            parameter.grad = gradient
        return recorded.losses

    def _try_to_record(self, key: tuple[Any, ...], batch: Mapping[str, Any], run: Pass) -> bool:
        self._counts[key] = self._counts.get(key, 0) + 1
        is_due = self._counts[key] > _WARM_UP_STEPS and len(self._recorded) < _MOST_SHAPES
        if not (is_due and self._is_possible):
            return False
        own = copy_tensors(batch)
        losses: dict[str, Tensor] = {}
        self._clear_gradients()
        try:
            recording = self._record(lambda: losses.update(run(own)))
        except RuntimeError as error:
            self._is_possible = False
            reason = " ".join(str(error).split())[:200]
            _log.warning("loop.cuda_graph: recording failed, steps are taken as usual: %s", reason)
            return False
        gradients = [parameter.grad for parameter in self._parameters]
        self._recorded[key] = _Recorded(recording, list_tensors(own), losses, gradients)
        return True

    def _clear_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None


class _Recorded:
    """A recorded pass: its own batch, losses and gradients, which repeating it reads and writes."""

    def __init__(
        self, recording: Recording, tensors: list[Tensor], losses: Losses, gradients: list[Tensor | None]
    ) -> None:
        self.recording = recording
        self.tensors = tensors
        self.losses = losses
        self.gradients = gradients


def list_tensors(batch: Any) -> list[Tensor]:
    """The tensors in mappings and lists of any depth."""
    if isinstance(batch, Tensor):
        return [batch]
    values = batch.values() if isinstance(batch, Mapping) else batch
    return [tensor for value in values for tensor in list_tensors(value)]


def copy_tensors(batch: Any) -> Any:
    """Copy mappings and lists of tensors, and these."""
    if isinstance(batch, Tensor):
        return batch.clone()
    if isinstance(batch, Mapping):
        return {name: copy_tensors(value) for name, value in batch.items()}
    return [copy_tensors(value) for value in batch]
