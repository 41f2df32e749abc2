"""The training recipe of dense poses top-down.

[network]       the network and its initial weights     DenseCropNetworkRecipe
[data]          annotations and images                  DenseCropData
[[more]]        more annotations to train on            models.training.draws.TrainingSet
[crop]          size and padding                        DenseCropSize
[augment]       augmentation                            models.data.augment.AugmentConfig
[losses]        losses and their weights                models.densepose.recipe.DenseLossWeights
[optimizer]     the optimiser                           models.training.optim.OptimizerConfig
[schedule]      the learning rate                       models.training.optim.ScheduleConfig
[loop]          length, speed, evaluation, checkpoints  models.training.config.LoopConfig
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.backbones.variants import MOVENET_STAGES
from models.data.augment import AugmentConfig
from models.densepose.crops.variants import NETWORKS
from models.densepose.recipe import DenseLossWeights, DensePoseData
from models.settings import check_choice, check_range, check_sides
from models.training.config import LoopConfig
from models.training.draws import TrainingSet
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.recipe import read_recipe


@dataclass(frozen=True)
class DenseCropNetworkRecipe:
    """The network.

    Attributes:
        name: A key of `models.densepose.crops.variants.NETWORKS`.
        body: A safetensors file with the initial weights of all but the dense head, such as
            `thunder-heatmaps-256x192`. Relative to the data folder; empty for random weights.
        weights: One with those of all layers. Instead of `body`.
        frozen_stages: Number of MoveNet's stages that are frozen, see `MOVENET_STAGES`.
    """

    name: str
    body: str = ""
    weights: str = ""
    frozen_stages: int = 0

    def __post_init__(self) -> None:
        check_choice(self, "name", tuple(NETWORKS))
        check_range(self, 0, MOVENET_STAGES, "frozen_stages")
        if self.body and self.weights:
            raise ValueError("weights: given beside body; keep body to leave out the dense head, else weights")


@dataclass(frozen=True)
class DenseCropData(DensePoseData):
    """Annotations and images.

    Attributes:
        min_height_px: People with a lower box are left out of the training.
    """

    min_height_px: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 0, 1e5, "min_height_px")


@dataclass(frozen=True)
class DenseCropSize:
    """Input of the network.

    Attributes:
        width_px: Width of the crop.
        height_px: Its height.
        padding: Factor by which boxes are extended.
    """

    width_px: int = 192
    height_px: int = 256
    padding: float = 1.25

    def __post_init__(self) -> None:
        check_sides(self, "width_px", "height_px")
        check_range(self, 1, 5, "padding")


@dataclass(frozen=True)
class DenseCropRecipe:
    """All settings of a training; see the tables above.

    Raises:
        ValueError: Settings do not go together.
    """

    network: DenseCropNetworkRecipe
    data: DenseCropData
    crop: DenseCropSize
    augment: AugmentConfig
    losses: DenseLossWeights
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    loop: LoopConfig
    more: tuple[TrainingSet, ...] = ()

    def __post_init__(self) -> None:
        if self.data.mesh and not self.data.dev:
            raise ValueError("data.mesh: is for the evaluation of data.dev, which is missing; give it")

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the input in pixels."""
        return self.crop.width_px, self.crop.height_px


def read_dense_crop_recipe(path: Path) -> DenseCropRecipe:
    """Read a recipe, strictly.

    Raises:
        SettingsError: It cannot be read or is not valid.
    """
    return read_recipe(path, DenseCropRecipe)
