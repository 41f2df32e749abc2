"""Data loading processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from models.training.batches import BatchSampler
from models.training.errors import TrainingError

WORKER_START = "spawn"
"""Start method of workers. A forked copy of a process in which OpenCV has used its threads would deadlock."""


def start_worker(number: int) -> None:
    """Make a new worker use one thread, because the workers already use all cores."""
    cv2.setNumThreads(1)


def make_loader(
    dataset: Dataset[Any],
    sampler: BatchSampler,
    device: torch.device,
    num_workers: int,
    collate: Callable[[list[Any]], Any] | None = None,
) -> DataLoader[Any]:
    """Make the loader of a training's batches.

    Args:
        dataset: The data set, indexed by (epoch, index).
        sampler: The samples of each batch.
        device: The device that they go to.
        num_workers: Number of data loading processes; 0 to load in this one.
        collate: Makes a batch of samples; None for torch's default.
    """
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=start_worker,
        multiprocessing_context=WORKER_START if num_workers else None,
        # A generator of its own: the loader draws a number at its start, which a resumed run draws again.
        generator=torch.Generator(),
    )


def read_batches(loader: DataLoader[Any]) -> Iterator[Any]:
    """Read the batches of a loader; what fails in one of its processes is the error that it is without them.

    Raises:
        TrainingError: A sample cannot be read, or a process was ended from outside.
    """
    try:
        yield from loader
    except TrainingError as error:
        # The loader repeats a process's error with that process's traceback, whose last line says it.
        raise type(error)(_find_last_words(str(error), error)) from None
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise TrainingError(
            "a data loading process was ended, as systems do when memory is too small; lower loop.num_workers "
            "or loop.batch_size"
        ) from error


def _find_last_words(text: str, error: TrainingError) -> str:
    last = text.strip().rpartition("\n")[2]
    return last.removeprefix(f"{type(error).__module__}.{type(error).__qualname__}: ")


def read_in_order(
    dataset: Dataset[Any], num_samples: int, *, batch_size: int, num_workers: int = 0
) -> DataLoader[Any]:
    """Load every sample once, in order, for evaluation.

    Args:
        dataset: The data set, indexed by (epoch, index) as for training; the epoch is 0.
        num_samples: Number of samples in the data set.
        batch_size: Samples per batch; the last batch may be smaller.
        num_workers: Number of data loading processes; 0 to load in this one.
    """
    keys: Any = [(0, i) for i in range(num_samples)]
    return DataLoader(
        dataset,
        batch_size,
        sampler=keys,
        num_workers=num_workers,
        # A generator of its own: the loader draws a number at its start, which would change training's.
        generator=torch.Generator(),
        worker_init_fn=start_worker,
        multiprocessing_context=WORKER_START if num_workers else None,
    )
