"""Sampling of batches as a pure function of seed and step, independent of the number of processes.

The samples of an epoch are shuffled and divided into ceil(N / batch size) batches of nearly equal size, so that
every sample is used once and no batch is a small remainder; a batch is divided likewise among the processes.
The samples of a step do not depend on earlier steps, so a resumed run simply starts at its step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from models.training.errors import TrainingError

SampleKey = tuple[int, int]
"""(epoch, index), the key of a training data set, so that its augmentation can depend on both."""


@dataclass(frozen=True)
class BatchPlan:
    """The division of samples into batches.

    Attributes:
        num_samples: N, number of samples in an epoch.
        batch_size: Largest number of samples per step, over all processes.
        epochs: Number of epochs.
        seed: Seed of the shuffling.
        steps: Number of steps of the whole training, instead of `epochs`; 0 to use these.

    Raises:
        TrainingError: There are no samples.
    """

    num_samples: int
    batch_size: int
    epochs: int
    seed: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise TrainingError("training data: no samples; check [data] of the recipe")

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in one epoch."""
        return -(-self.num_samples // self.batch_size)

    @property
    def num_steps(self) -> int:
        """Number of steps of the whole training."""
        return self.steps or self.epochs * self.steps_per_epoch


def shuffle_samples(num_samples: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The order (N,) of the samples in an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(num_samples)


def count_batch(plan: BatchPlan, step: int) -> int:
    """The number of samples in the batch of a step, over all processes."""
    start, stop = _find_batch(plan, step)
    return stop - start


class BatchSampler(Sampler[list[SampleKey]]):
    """Yields this process's part of each batch, for a range of steps across epochs.

    Args:
        plan: The division into batches.
        first_step: The first step.
        end_step: The step after the last.
        rank: Rank of this process.
        world_size: Number of processes.
        first_epoch: The number of the plan's first epoch, in order and keys.

    Raises:
        TrainingError: There are fewer samples in a batch than processes.
    """

    def __init__(
        self,
        plan: BatchPlan,
        first_step: int,
        end_step: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        first_epoch: int = 0,
    ) -> None:
        if plan.num_samples // plan.steps_per_epoch < world_size:
            raise TrainingError(
                f"{plan.num_samples} samples in batches of {plan.batch_size} do not give each of {world_size} "
                "processes one; raise loop.batch_size or start fewer"
            )
        self._plan = plan
        self._steps = range(first_step, end_step)
        self._rank = rank
        self._world_size = world_size
        self._first_epoch = first_epoch

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        order_of = -1
        for step in self._steps:
            epoch = self._first_epoch + step // self._plan.steps_per_epoch
            if epoch != order_of:
                order, order_of = shuffle_samples(self._plan.num_samples, self._plan.seed, epoch), epoch
            start, stop = _find_batch(self._plan, step)
            part = order[start:stop][self._rank :: self._world_size]
            yield [(epoch, index) for index in part.tolist()]


def _find_batch(plan: BatchPlan, step: int) -> tuple[int, int]:
    position = step % plan.steps_per_epoch
    ends = [plan.num_samples * (position + i) // plan.steps_per_epoch for i in (0, 1)]
    return ends[0], ends[1]
