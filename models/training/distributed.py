"""Distributed training in several processes, started by `torchrun`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from models.training.errors import TrainingError

_TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True)
class World:
    """The processes of a distributed training, or a single one.

    Attributes:
        rank: Rank of this process, from 0.
        size: Number of processes.
        device: Device of this process.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes logs and checkpoints."""
        return self.rank == 0


@contextmanager
def join_world(device: torch.device) -> Iterator[World]:
    """Join the processes that `torchrun` started, with nccl on GPUs, else gloo; without it, a single process.

    Args:
        device: `cuda` without a number means the GPU of this process's local rank.

    Raises:
        TrainingError: Some of torchrun's environment variables are missing.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(0, 1, device)
        return
    missing = [name for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise TrainingError(f"WORLD_SIZE is {size} but {', '.join(missing)} not set; start with torchrun")
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device)
        # A process that leaves while others still send to it may abort.
        dist.barrier()
    finally:
        dist.destroy_process_group()


def share_network(network: nn.Module, world: World, *, sync_batch_norm: bool = False) -> nn.Module:
    """Wrap a network so that its gradients are the mean over all processes.

    Args:
        network: The network, on its device.
        world: The processes; for a single one the network is returned unchanged.
        sync_batch_norm: Whether batch norms take their statistics over all processes; GPUs only. Those in
            evaluation mode, as frozen ones are, do not.

    Raises:
        TrainingError: `sync_batch_norm` without a GPU.
    """
    if world.size == 1:
        return network
    if sync_batch_norm:
        if world.device.type != "cuda":
            raise TrainingError("loop.sync_batch_norm: works on GPUs only; set it to false")
        synchronize_norms(network)
    return DistributedDataParallel(network, device_ids=[world.device] if world.device.type == "cuda" else None)


def synchronize_norms(network: nn.Module) -> None:
    """Replace the batch norms in training mode by those that take their statistics over all processes."""
    for name, part in list(network.named_modules()):
        if isinstance(part, _BatchNorm) and part.training:
            network.set_submodule(name, _synchronize(part))


def _synchronize(norm: nn.Module) -> nn.Module:
    convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
    if type(norm).__module__.startswith("timm."):
        # timm's norms have the activation behind them, which torch's conversion would lose.
        from timm.layers.norm_act import convert_sync_batchnorm as convert
    return convert(norm)


def average_over_world(values: list[float], world: World) -> list[float]:
    """Average numbers over all processes."""
    if world.size == 1:
        return values
    sums = torch.tensor(values, device=world.device)
    dist.all_reduce(sums)
    averages: list[float] = (sums / world.size).tolist()
    return averages


def gather_objects(value: Any, world: World) -> list[Any]:
    """Gather the objects of all processes, in the order of ranks, in every process."""
    if world.size == 1:
        return [value]
    gathered: list[Any] = [None] * world.size
    dist.all_gather_object(gathered, value)
    return gathered


def move_batch(batch: Any, device: torch.device) -> Any:
    """Move the tensors of a batch, in mappings and lists of any depth, to a device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {name: move_batch(value, device) for name, value in batch.items()}
    if isinstance(batch, list | tuple):
        return [move_batch(value, device) for value in batch]
    return batch
