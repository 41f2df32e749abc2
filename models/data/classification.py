"""Image classification data with one folder per class, like ImageNet: `train/n01440764/n01440764_18.JPEG`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from models.settings import check_range
from models.training.batches import SampleKey
from models.training.errors import DataError


@dataclass(frozen=True)
class CropConfig:
    """Crops of classification images. The defaults are the common ones for ImageNet.

    Attributes:
        size_px: Side of the square input.
        resized_px: For evaluation, length of the shorter side before the centre crop.
        area_range: For training, smallest and largest fraction of the image's area in the crop.
        aspect_range: For training, smallest and largest ratio of the crop's width to its height.
        flip_fraction: Fraction of the training images that are mirrored.
    """

    size_px: int = 224
    resized_px: int = 256
    area_range: tuple[float, float] = (0.08, 1.0)
    aspect_range: tuple[float, float] = (3 / 4, 4 / 3)
    flip_fraction: float = 0.5

    def __post_init__(self) -> None:
        check_range(self, 32, 4096, "size_px", "resized_px")
        check_range(self, 0, 1, "flip_fraction")
        if self.resized_px < self.size_px:
            raise ValueError(f"resized_px: expected size_px ({self.size_px}) or more, got {self.resized_px}")
        for name, high in (("area_range", 1.0), ("aspect_range", 100.0)):
            values = getattr(self, name)
            if not 0 < values[0] <= values[1] <= high:
                expected = f"two ascending numbers above 0, to {high:g}"
                raise ValueError(f"{name}: expected {expected}, got {list(values)}")


class ClassDataset(Dataset[dict[str, Any]]):
    """A data set of labelled images, indexed by (epoch, index).

    A sample is

        image    (3, size, size) uint8 RGB
        label    index of its class in `classes`

    For training, the crop depends on the seed, the epoch and the index alone; for evaluation it is the centre.

    Args:
        folder: Folder with one folder per class; classes are sorted by name.
        config: Settings of the crops.
        is_training: Whether crops are random.
        seed: Seed of the random crops.

    Raises:
        DataError: There is no such folder, no class, or a class without images.
    """

    def __init__(self, folder: Path, config: CropConfig, *, is_training: bool, seed: int = 0) -> None:
        try:
            self._images = ImageFolder(str(folder))
        except FileNotFoundError as error:
            raise DataError(f"{folder}: expected a folder of images for each class ({error})") from error
        self._seed = seed
        self._is_training = is_training
        self._transform = _make_transform(config, is_training=is_training)

    @property
    def classes(self) -> list[str]:
        """The names of the classes."""
        return list(self._images.classes)

    @property
    def image_paths(self) -> list[Path]:
        """The files of the images."""
        return [Path(path) for path, _ in self._images.samples]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        epoch, index = key
        path, label = self._images.samples[index]
        try:
            image = self._images.loader(path)
        except OSError as error:
            raise DataError(f"{path}: not an image that can be read ({error})") from error
        if not self._is_training:
            return {"image": self._transform(image), "label": label}
        # torchvision draws from torch's global generator: it is seeded for the sample and restored afterwards.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(_make_sample_seed(self._seed, epoch, index))
            return {"image": self._transform(image), "label": label}


def count_top(logits: Tensor, labels: Tensor, top: int) -> int:
    """Count the images whose class is among the `top` most likely ones.

    Args:
        logits: (B, classes).
        labels: (B,) int64.
        top: The number, such as 1 or 5; may exceed that of the classes.
    """
    likely = logits.topk(min(top, logits.shape[1]), dim=1).indices
    return int((likely == labels[:, None]).any(dim=1).sum())


def _make_transform(config: CropConfig, *, is_training: bool) -> v2.Compose:
    if not is_training:
        return v2.Compose([v2.Resize(config.resized_px), v2.CenterCrop(config.size_px), v2.PILToTensor()])
    return v2.Compose(
        [
            v2.RandomResizedCrop(config.size_px, scale=config.area_range, ratio=config.aspect_range),
            v2.RandomHorizontalFlip(config.flip_fraction),
            v2.PILToTensor(),
        ]
    )


def _make_sample_seed(seed: int, epoch: int, index: int) -> int:
    return int(np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)[0])
