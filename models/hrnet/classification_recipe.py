"""Training recipes of image classification, to pretrain the backbones of HRNet and SimpleBaseline on ImageNet.

[network]       the network and its initial weights     ClassNetworkRecipe
[data]          folders of classes                      ClassDataRecipe
[crop]          crops of the images                     models.data.classification.CropConfig
[optimizer]     the optimiser                           models.training.optim.OptimizerConfig
[schedule]      the learning rate                       models.training.optim.ScheduleConfig
[loop]          length, speed, evaluation, checkpoints  models.training.config.LoopConfig
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from models.backbones.variants import (
    ResNetConfig,
)
from models.data.classification import CropConfig
from models.hrnet.network import ClassificationHRNet, ClassificationResNet
from models.hrnet.recipe import IMAGENET_PREFIX
from models.hrnet.variants import CLASS_NETWORKS
from models.settings import check_choice
from models.training.config import LoopConfig
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.recipe import list_recipes, read_recipe


@dataclass(frozen=True)
class ClassNetworkRecipe:
    """The network.

    Attributes:
        name: A key of `CLASS_NETWORKS`.
        weights: A safetensors file of the same network and number of classes with the initial weights, relative
            to the data folder; empty for random weights.
    """

    name: str
    weights: str = ""

    def __post_init__(self) -> None:
        check_choice(self, "name", tuple(CLASS_NETWORKS))


@dataclass(frozen=True)
class ClassDataRecipe:
    """The image folders. Paths are relative to the data folder (`--data`).

    Attributes:
        train: Folder of the training images, with one folder per class.
        dev: Folder of the images for evaluation, with the same classes; empty for no evaluation.
    """

    train: str = "train"
    dev: str = "val"


@dataclass(frozen=True)
class ClassRecipe:
    """A training recipe of classification; see the tables above."""

    network: ClassNetworkRecipe
    data: ClassDataRecipe
    crop: CropConfig
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    loop: LoopConfig


def list_class_recipes() -> dict[str, Path]:
    """The recipes that ship with the package: name -> TOML file."""
    recipes = list_recipes("hrnet")
    return {name: path for name, path in recipes.items() if name.startswith(IMAGENET_PREFIX)}


def read_class_recipe(path: Path) -> ClassRecipe:
    """Read a recipe, strictly.

    Raises:
        SettingsError: It cannot be read or is not valid.
    """
    return read_recipe(path, ClassRecipe)


def make_class_network(name: str, num_classes: int) -> nn.Module:
    """Make a classification network with random weights; `name` is a key of `CLASS_NETWORKS`."""
    config = CLASS_NETWORKS[name]
    if isinstance(config, ResNetConfig):
        return ClassificationResNet(config, num_classes)
    return ClassificationHRNet(config, num_classes)
