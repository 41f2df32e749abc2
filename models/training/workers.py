"""Data loading processes."""

from __future__ import annotations

from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

WORKER_START = "spawn"
"""Start method of workers. A forked copy of a process in which OpenCV has used its threads would deadlock."""


def start_worker(number: int) -> None:
    """Make a new worker use one thread, because the workers already use all cores."""
    cv2.setNumThreads(1)


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
