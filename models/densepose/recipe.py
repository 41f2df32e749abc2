"""The training recipe of the DensePose family: `models.detection.recipe`, with the losses of dense poses.

[network]       the network and its pretrained weights              DensePoseNetworkRecipe
[data]          annotations and images                              DensePoseData
[losses]        losses of the dense head, and their balance         DenseLossRecipe
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

from models.densepose.losses import CoordinateLoss, DenseLossConfig
from models.densepose.network import DensePoseRCNN, make_densepose
from models.densepose.variants import NETWORKS, Confidences
from models.detection.recipe import PeopleData, TwoStageNetworkRecipe, TwoStageRecipe, apply_numbers
from models.settings import check_choice, check_range
from models.training.recipe import list_recipes, read_recipe

_MOST = 1e3


@dataclass(frozen=True)
class DensePoseNetworkRecipe(TwoStageNetworkRecipe):
    """The network to train, a key of `models.densepose.variants.NETWORKS`, and what it starts from.

    Attributes:
        sampled_dense: Most regions of each image that the losses of the dense head are computed on, which need
            most of the time; 0 takes the network's own number.
    """

    sampled_dense: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, "name", tuple(NETWORKS))
        check_range(self, 0, 1e5, "sampled_dense")


@dataclass(frozen=True)
class DensePoseData(PeopleData):
    """Annotations and images.

    Attributes:
        symmetry: The owner's `UV_symmetry_transforms.mat`, or `made` for annotations on PoseTrack's own mesh;
            without it images of people with dense annotations are not mirrored.
        mesh: Folder of the owner's mesh files, or `made` for PoseTrack's own; with it, dense poses are
            evaluated by GPS and GPSm too, and GPS AP decides which network is best.
    """

    symmetry: str = ""
    mesh: str = ""


@dataclass(frozen=True)
class DenseLossWeights:
    """Losses of dense poses, see `models.densepose.losses.DenseLossConfig`.

    Attributes:
        coarse_weight: Weight of the coarse parts' loss.
        fine_weight: Weight of the charts' loss.
        coordinate_weight: Weight of the losses of u and v.
        coordinate_loss: `smooth_l1`, `dense_points` of UV R-CNN, or the `absolute` error.
        omega: w of Dense Points.
        limb_weight: Weight of the loss of people without dense annotations whose visible keypoints tell where
            their limbs are (`models.densepose.limbs`); 0 learns nothing from keypoints.
    """

    coarse_weight: float = 2.0
    fine_weight: float = 0.3
    coordinate_weight: float = 0.1
    coordinate_loss: str = "smooth_l1"
    omega: float = 0.5
    limb_weight: float = 0.0

    def __post_init__(self) -> None:
        check_choice(self, "coordinate_loss", get_args(CoordinateLoss))
        check_range(self, 0, _MOST, "coarse_weight", "fine_weight", "coordinate_weight", "limb_weight")
        self.make_config("none")

    def make_config(self, confidences: Confidences) -> DenseLossConfig:
        """Make the configuration of the losses of a network with these confidences."""
        return DenseLossConfig(
            self.coarse_weight,
            self.fine_weight,
            self.coordinate_weight,
            cast(CoordinateLoss, self.coordinate_loss),
            self.omega,
            confidences,
            self.limb_weight,
        )


@dataclass(frozen=True)
class DenseLossRecipe(DenseLossWeights):
    """Losses of the dense head, and their balance with those of detection.

    Attributes:
        balance: K of UV R-CNN's balanced weighting of all losses; 0 adds them.
        is_balance_detached: Whether the weights of that are constants.
    """

    balance: float = 0.0
    is_balance_detached: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 0, _MOST, "balance")


@dataclass(frozen=True)
class DensePoseRecipe(TwoStageRecipe):
    """All settings of a training; see the tables above.

    Raises:
        ValueError: Settings do not go together.
    """

    network: DensePoseNetworkRecipe
    data: DensePoseData
    losses: DenseLossRecipe

    def __post_init__(self) -> None:
        super().__post_init__()
        confidences = NETWORKS[self.network.name].confidences
        if confidences != "none" and self.losses.coordinate_loss != "smooth_l1":
            raise ValueError(
                f"losses.coordinate_loss: {self.losses.coordinate_loss}, but {self.network.name} learns its "
                "coordinates with their confidences; leave it out"
            )
        if self.data.mesh and not self.data.dev:
            raise ValueError("data.mesh: is for the evaluation of data.dev, which is missing; give it")


def list_densepose_recipes() -> dict[str, Path]:
    """List the recipes that ship with the package: name -> TOML file."""
    return list_recipes("densepose")


def read_densepose_recipe(path: Path) -> DensePoseRecipe:
    """Read a recipe, strictly.

    Raises:
        SettingsError: It cannot be read or is not valid.
    """
    return read_recipe(path, DensePoseRecipe)


def make_network(recipe: DensePoseRecipe) -> DensePoseRCNN:
    """Make a recipe's network, which has the losses, with random weights."""
    config = apply_numbers(NETWORKS[recipe.network.name], recipe.network)
    if recipe.network.sampled_dense:
        config = replace(config, sampled_dense=recipe.network.sampled_dense)
    losses = recipe.losses
    return make_densepose(
        config,
        losses.make_config(config.confidences),
        losses.balance or None,
        is_balance_detached=losses.is_balance_detached,
    )
