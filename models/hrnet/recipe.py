"""Training recipes of top-down pose estimation.

[network]       the network and its initial weights     PoseNetworkRecipe
[data]          annotations and images                  DataRecipe
[crop]          size, padding, heatmaps                 CropRecipe
[augment]       augmentation                            models.data.augment.AugmentConfig
[evaluation]    the predictor in evaluations            PoseEvaluationRecipe
[optimizer]     the optimiser                           models.training.optim.OptimizerConfig
[schedule]      the learning rate                       models.training.optim.ScheduleConfig
[loop]          length, speed, evaluation, checkpoints  models.training.config.LoopConfig
[[more]]        more annotations to train on          models.training.draws.TrainingSet
[[stage]]       stages of the training, if it has any   models.training.stages.StageConfig
[skeleton]      keypoints of one's own, if it has any   models.keypoint_table.KeypointTable
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from models.backbones.variants import MOVENET_STAGES, HRNetConfig, MoveNetConfig
from models.data.augment import AugmentConfig
from models.hrnet.network import make_pose_network
from models.hrnet.variants import CODINGS, NETWORKS
from models.keypoint_table import NO_TABLE, KeypointTable
from models.settings import check_choice, check_range, check_sides
from models.training.config import LoopConfig
from models.training.draws import TrainingSet, check_times
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.recipe import list_recipes, read_recipe
from models.training.stages import StageConfig, check_stages

IMAGENET_PREFIX = "imagenet-"
"""Prefix of the names of classification recipes, which are in the same folder."""

FORMATS = ("coco", "mpii", "posetrack")
BOXES = ("annotated", "keypoints")
LOSSES = ("mse", "ohkm")


@dataclass(frozen=True)
class PoseNetworkRecipe:
    """The network.

    Attributes:
        name: A key of `NETWORKS`.
        body: A safetensors file with the initial weights of all layers but the last, from ImageNet or from
            other keypoints. Relative to the data folder; empty for random weights.
        weights: A safetensors file with the initial weights of all layers, of the same network with the same
            keypoints, to continue at another input size. Instead of `body`.
        frozen_stages: Number of MoveNet's stages that are frozen, see `MOVENET_STAGES`.
        heatmap_branch: The branch of HRNet with the heatmaps, 0 the finest (Fig. 5).
    """

    name: str
    body: str = ""
    weights: str = ""
    frozen_stages: int = 0
    heatmap_branch: int = 0

    def __post_init__(self) -> None:
        check_choice(self, "name", tuple(NETWORKS))
        check_range(self, 0, 2, "heatmap_branch")
        if self.body and self.weights:
            raise ValueError("weights: given beside body; keep body to leave out the last layer, else weights")
        check_range(self, 0, MOVENET_STAGES, "frozen_stages")
        if self.frozen_stages and not isinstance(NETWORKS[self.name], MoveNetConfig):
            raise ValueError(f"frozen_stages: {self.name} has no pretrained part to freeze; remove it")
        if self.heatmap_branch and not isinstance(NETWORKS[self.name], HRNetConfig):
            raise ValueError("heatmap_branch: only HRNet has branches; set it to 0")


@dataclass(frozen=True)
class DataRecipe:
    """Annotations and images. Paths are relative to the data folder (`--data`).

    Attributes:
        train: Annotations for the training: a file, or for PoseTrack a folder of files.
        train_images: Folder of their images.
        dev: Annotations for the evaluation, likewise; empty for no evaluation.
        dev_images: Folder of their images.
        dev_detections: COCO detections for the evaluation; empty for the annotated boxes.
        format: One of `FORMATS`; CrowdPose is `coco`.
        skeleton: Name of the skeleton, such as `coco17`; or a file of the data that describes one.
        boxes: `annotated`, or `keypoints` for the bounding boxes of the keypoints.
        times: How often each person of `train` is drawn in an epoch, beside those of `[[more]]`.
    """

    train: str
    train_images: str
    dev: str = ""
    dev_images: str = ""
    dev_detections: str = ""
    format: str = "coco"
    skeleton: str = "coco17"
    boxes: str = "annotated"
    times: float = 1.0

    def __post_init__(self) -> None:
        check_times(self)
        check_choice(self, "format", FORMATS)
        check_choice(self, "boxes", BOXES)


@dataclass(frozen=True)
class CropRecipe:
    """Input and targets of the network.

    Attributes:
        width_px: Width of the input.
        height_px: Height of the input.
        padding: Factor by which boxes are extended.
        sigma_cells: Sigma of the Gaussians in cells of the heatmap.
        coding: The heatmap coding, one of `CODINGS`.
        loss: `mse`, or `ohkm` for online hard keypoint mining.
    """

    width_px: int = 192
    height_px: int = 256
    padding: float = 1.25
    sigma_cells: float = 2.0
    coding: str = "offset"
    loss: str = "mse"

    def __post_init__(self) -> None:
        check_sides(self, "width_px", "height_px")
        check_range(self, 1, 5, "padding")
        check_range(self, 0.1, 10, "sigma_cells")
        check_choice(self, "coding", CODINGS)
        check_choice(self, "loss", LOSSES)


@dataclass(frozen=True)
class PoseEvaluationRecipe:
    """Settings of the predictor in evaluations.

    Attributes:
        flip_test: Whether to average over the mirrored crop (section 4.1, "Testing").
    """

    flip_test: bool = True


@dataclass(frozen=True)
class PoseRecipe:
    """A training recipe of top-down pose; see the tables above."""

    network: PoseNetworkRecipe
    data: DataRecipe
    crop: CropRecipe
    augment: AugmentConfig
    evaluation: PoseEvaluationRecipe
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    loop: LoopConfig
    more: tuple[TrainingSet, ...] = ()
    stage: tuple[StageConfig, ...] = ()
    skeleton: KeypointTable = NO_TABLE

    def __post_init__(self) -> None:
        check_stages(self.stage, self.loop)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the input in pixels."""
        return self.crop.width_px, self.crop.height_px


def choose_size(recipe: PoseRecipe, stage: StageConfig) -> PoseRecipe:
    """A recipe with the size of one of its stages."""
    width, height = stage.width_px or recipe.crop.width_px, stage.height_px or recipe.crop.height_px
    return replace(recipe, crop=replace(recipe.crop, width_px=width, height_px=height))


def list_pose_recipes() -> dict[str, Path]:
    """List the recipes that ship with the package: name -> TOML file."""
    recipes = list_recipes("hrnet")
    return {name: path for name, path in recipes.items() if not name.startswith(IMAGENET_PREFIX)}


def read_pose_recipe(path: Path) -> PoseRecipe:
    """Read a recipe, strictly.

    Raises:
        SettingsError: It cannot be read or is not valid.
    """
    return read_recipe(path, PoseRecipe)


def make_network(recipe: PoseNetworkRecipe, num_keypoints: int) -> nn.Module:
    """Make a recipe's network with random weights."""
    return make_pose_network(NETWORKS[recipe.name], num_keypoints, recipe.heatmap_branch)
