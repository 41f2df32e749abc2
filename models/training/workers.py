"""The processes that read samples."""

from __future__ import annotations

from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

WORKER_START = "spawn"
"""How they start. A forked copy of a process in which OpenCV has used its threads waits for these for ever."""


def start_worker(number: int) -> None:
    """Make a new worker use one thread: OpenCV's own would only fight over the cores with the other workers."""
    cv2.setNumThreads(1)


def read_in_order(
    dataset: Dataset[Any], num_samples: int, *, batch_size: int, num_workers: int = 0
) -> DataLoader[Any]:
    """Batches of every sample once, in order: what evaluation takes.

    Args:
        dataset: Asked for (epoch, index), as for training; the epoch is 0.
        num_samples: Of the data set.
        batch_size: Samples in a batch; the last may be smaller.
        num_workers: Processes that read; 0 reads in this one.
    """
    keys: Any = [(0, i) for i in range(num_samples)]
    return DataLoader(
        dataset,
        batch_size,
        sampler=keys,
        num_workers=num_workers,
        # Of its own: the loader draws a number when it starts, which would move training's.
        generator=torch.Generator(),
        worker_init_fn=start_worker,
        multiprocessing_context=WORKER_START if num_workers else None,
    )
