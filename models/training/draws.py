"""Training sets of several files, each drawn from more or less often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from models.settings import check_range
from models.training.batches import SampleKey, shuffle_samples


@dataclass(frozen=True)
class TrainingSet:
    """Annotations to train on; of a recipe those of `[data]`, and each `[[more]]`.

    Attributes:
        train: The annotations, in the format of `[data]`. Relative to the data folder.
        train_images: Folder of their images.
        times: How often each sample is drawn in an epoch; 0.5 is every other epoch.
    """

    train: str
    train_images: str
    times: float = 1.0

    def __post_init__(self) -> None:
        check_times(self)


def check_times(settings: object) -> None:
    """Raise ValueError unless the settings' `times` is a number of draws."""
    check_range(settings, 0.01, 100, "times")


def list_training_sets(recipe: Any) -> list[TrainingSet]:
    """The training sets of a recipe with tables `[data]` and `[[more]]`."""
    data = recipe.data
    return [TrainingSet(data.train, data.train_images, data.times), *recipe.more]


class DrawnDataset(Dataset[Any]):
    """A data set whose consecutive parts are drawn from more or less often, indexed by (epoch, index).

    A part of N samples that is drawn t times has N t places in an epoch. They take its samples one after the
    other, in a random order that stays, and go on in the next epoch. A sample taken again is augmented anew.

    Args:
        dataset: The data set, indexed by (epoch, index).
        counts: N of each part, in order.
        times: t of each part.
        seed: Seed of the order.
    """

    def __init__(
        self, dataset: Dataset[Any], counts: Sequence[int], times: Sequence[float], seed: int = 0
    ) -> None:
        self._dataset = dataset
        self._counts = list(counts)
        self._first = np.cumsum([0, *counts]).tolist()
        self._places = _list_places(counts, times)
        self._ends = np.cumsum(self._places).tolist()
        self._orders = [shuffle_samples(count, seed, part) for part, count in enumerate(counts)]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def find(self, epoch: int, place: int) -> SampleKey:
        """The sample at a place of an epoch: how often it was taken before, and its index."""
        part = int(np.searchsorted(self._ends, place, side="right"))
        number = place - (self._ends[part] - self._places[part])
        visit, position = divmod(epoch * self._places[part] + number, self._counts[part])
        return visit, int(self._first[part] + self._orders[part][position])

    def __getitem__(self, key: SampleKey) -> Any:
        return self._dataset[self.find(*key)]


def draw_samples(
    dataset: Dataset[Any], counts: Sequence[int], sets: Sequence[TrainingSet], seed: int
) -> Dataset[Any]:
    """Draw from a data set as its training sets say.

    Args:
        dataset: The data set, indexed by (epoch, index).
        counts: Number of samples of each training set, in order.
        sets: The training sets.
        seed: Seed of the order.

    Returns:
        A data set of `count_draws` samples; the given one where each sample is drawn once.
    """
    if all(each.times == 1 for each in sets):
        return dataset
    return DrawnDataset(dataset, counts, [each.times for each in sets], seed)


def count_draws(counts: Sequence[int], sets: Sequence[TrainingSet]) -> int:
    """The number of samples that are drawn in an epoch, from training sets of such numbers."""
    return sum(_list_places(counts, [each.times for each in sets]))


def _list_places(counts: Sequence[int], times: Sequence[float]) -> list[int]:
    return [max(round(count * factor), 1) for count, factor in zip(counts, times, strict=True)]
