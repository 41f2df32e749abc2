"""A training recipe of classification: the bodies of HRNet and SimpleBaseline learn ImageNet first.

[network]       which, and the weights that it starts from          ClassNetworkRecipe
[data]          folders of classes                                  ClassDataRecipe
[crop]          what is shown of an image                          models.data.classification.CropConfig
[optimizer]     how weights follow gradients                        models.training.optim.OptimizerConfig
[schedule]      how the learning rate changes                       models.training.optim.ScheduleConfig
[loop]          length, speed and book-keeping                      models.training.config.LoopConfig
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
        weights: A safetensors file of the same network with as many classes, whose weights it starts from.
            Relative to the data folder; empty starts at random.
    """

    name: str
    weights: str = ""

    def __post_init__(self) -> None:
        check_choice(self, "name", tuple(CLASS_NETWORKS))


@dataclass(frozen=True)
class ClassDataRecipe:
    """Where the images are. Paths are relative to the data folder (`--data`).

    Attributes:
        train: Folder to train on, which has one folder a class.
        dev: Folder to evaluate on, which has the same; empty evaluates nothing.
    """

    train: str = "train"
    dev: str = "val"


@dataclass(frozen=True)
class ClassRecipe:
    """Everything that decides a training of classification; see the tables above."""

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
