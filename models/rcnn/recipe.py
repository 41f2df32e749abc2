"""The training recipe of the R-CNN family: `models.detection.recipe`, with a skeleton.

[network]       the network and its pretrained weights              DetectionNetworkRecipe
[data]          annotations and images                              DetectionData
[skeleton]      keypoints of one's own, if it has any               models.keypoint_table.KeypointTable
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from models.detection.recipe import PeopleData, TwoStageNetworkRecipe, TwoStageRecipe, apply_numbers
from models.keypoint_table import NO_TABLE, KeypointTable
from models.rcnn.network import RCNN, make_rcnn
from models.rcnn.variants import NETWORKS
from models.settings import check_choice
from models.training.recipe import list_recipes, read_recipe


@dataclass(frozen=True)
class DetectionNetworkRecipe(TwoStageNetworkRecipe):
    """The network to train, a key of `models.rcnn.variants.NETWORKS`, and what it starts from."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, "name", tuple(NETWORKS))


@dataclass(frozen=True)
class DetectionData(PeopleData):
    """Annotations and images.

    Attributes:
        skeleton: Name of the skeleton, such as `coco17`; or a file of the data that describes one.
    """

    skeleton: str = "coco17"


@dataclass(frozen=True)
class DetectionRecipe(TwoStageRecipe):
    """All settings of a training; see the tables of `models.detection.recipe`."""

    network: DetectionNetworkRecipe
    data: DetectionData
    skeleton: KeypointTable = field(default=NO_TABLE, kw_only=True)


def list_detection_recipes() -> dict[str, Path]:
    """List the recipes that ship with the package: name -> TOML file."""
    return list_recipes("rcnn")


def read_detection_recipe(path: Path) -> DetectionRecipe:
    """Read a recipe, strictly.

    Raises:
        SettingsError: It cannot be read or is not valid.
    """
    return read_recipe(path, DetectionRecipe)


def make_network(recipe: DetectionNetworkRecipe, num_keypoints: int) -> RCNN:
    """Make a recipe's network with random weights."""
    config = replace(NETWORKS[recipe.name], num_keypoints=num_keypoints)
    return make_rcnn(apply_numbers(config, recipe))
