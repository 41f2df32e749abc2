"""Training recipes of bottom-up pose estimation.

[network]       the network and its initial weights     BottomUpNetworkRecipe
[data]          annotations and images                  CrowdData
[[more]]        more annotations to train on          models.training.draws.TrainingSet
[target]        the targets                             TargetRecipe
[augment]       augmentation                            models.swahr.dataset.ImageAugmentConfig
[loss]          the losses and their weights            models.swahr.losses.SwahrLossConfig
[evaluation]    the predictor in evaluations            BottomUpEvaluationRecipe
[optimizer]     the optimiser                           models.training.optim.OptimizerConfig
[schedule]      the learning rate                       models.training.optim.ScheduleConfig
[loop]          length, speed, evaluation, checkpoints  models.training.config.LoopConfig
[skeleton]      keypoints of one's own, if it has any   models.keypoint_table.KeypointTable
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.backbones.variants import MOVENET_STAGES, MoveNetConfig
from models.keypoint_table import NO_TABLE, KeypointTable
from models.settings import check_choice, check_range, check_sides
from models.swahr.codec import SIGMA_CELLS
from models.swahr.dataset import ImageAugmentConfig
from models.swahr.losses import SwahrLossConfig
from models.swahr.network import BottomUpNetwork, make_swahr_network
from models.swahr.variants import NETWORKS
from models.training.config import LoopConfig
from models.training.draws import TrainingSet, check_times
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.recipe import list_recipes, read_recipe

UNKNOWN_KEYPOINTS = ("background", "masked")
EVALUATED_STAGES = ("both", "half")


@dataclass(frozen=True)
class BottomUpNetworkRecipe:
    """The network.

    Attributes:
        name: A key of `models.swahr.variants.NETWORKS`.
        body: A safetensors file with the initial weights of the backbone: HRNet's from ImageNet or any
            keypoints, or MoveNet's. Relative to the data folder; empty for random weights.
        weights: A safetensors file with the initial weights of all layers, of the same network with the same
            keypoints. Instead of `body`.
        frozen_stages: Number of MoveNet's stages that are frozen, see `MOVENET_STAGES`.
    """

    name: str
    body: str = ""
    weights: str = ""
    frozen_stages: int = 0

    def __post_init__(self) -> None:
        check_choice(self, "name", tuple(NETWORKS))
        check_range(self, 0, MOVENET_STAGES, "frozen_stages")
        if self.frozen_stages and not isinstance(NETWORKS[self.name].body, MoveNetConfig):
            raise ValueError(f"frozen_stages: {self.name} has no pretrained part to freeze; remove it")
        if self.body and self.weights:
            raise ValueError("weights: given beside body; keep body to leave out the heads, else weights")


@dataclass(frozen=True)
class CrowdData:
    """Annotations and images. Paths are relative to the data folder (`--data`).

    Attributes:
        train: COCO-style annotations for the training, such as CrowdPose's.
        train_images: Folder of their images.
        dev: Annotations for the evaluation, likewise; empty for no evaluation.
        dev_images: Folder of their images.
        skeleton: Name of the skeleton, such as `coco17`; or a file of the data that describes one.
        max_people: Largest number of people per image; if there are more, the largest are used and the others
            ignored.
        max_dev_images: Largest number of images to evaluate, spread evenly over all; 0 for all.
        times: How often each image of `train` is drawn in an epoch, beside those of `[[more]]`.
    """

    train: str
    train_images: str
    dev: str = ""
    dev_images: str = ""
    skeleton: str = "coco17"
    max_people: int = 30
    max_dev_images: int = 0
    times: float = 1.0

    def __post_init__(self) -> None:
        check_times(self)
        check_range(self, 1, 1e4, "max_people")
        check_range(self, 0, 1e9, "max_dev_images")


@dataclass(frozen=True)
class TargetRecipe:
    """Input and targets of the network.

    Attributes:
        size_px: Side of the square input in training.
        sigma_cells: Sigma of the Gaussians in cells, at both resolutions (Table 8).
        is_sigma_scaled: Whether sigma is proportional to each person's box width instead (SHR, Table 4).
        unknown_keypoints: `background`, as in the public code, or `masked`: the loss of a person's unknown
            keypoints is masked in their box, for data that are not completely annotated.
    """

    size_px: int = 512
    sigma_cells: float = SIGMA_CELLS
    is_sigma_scaled: bool = False
    unknown_keypoints: str = "background"

    def __post_init__(self) -> None:
        check_sides(self, "size_px")
        check_range(self, 0.5, 20, "sigma_cells")
        check_choice(self, "unknown_keypoints", UNKNOWN_KEYPOINTS)
        if self.is_sigma_scaled and self.sigma_cells != SIGMA_CELLS:
            raise ValueError(f"sigma_cells: is_sigma_scaled uses {SIGMA_CELLS:g}; leave this out")


@dataclass(frozen=True)
class BottomUpEvaluationRecipe:
    """Settings of the predictor in evaluations. The defaults are the paper's test (section 4.1).

    Attributes:
        shorter_side_px: Shorter side of the images in the network's input.
        scales: Scales over which maps are averaged, in descending order; must contain 1.
        flip_test: Whether maps are averaged over the mirrored image.
        projected: Whether maps are resized to the input size before peaks are searched, as in the public code.
        stages: `both` stages' heatmaps are averaged, or only the `half` ones are used (Tables 7 and 8).
        min_peak: Lower bound of the height of peaks, exclusive.
        score_threshold: People with a lower mean keypoint score are left out.
    """

    shorter_side_px: int = 512
    scales: tuple[float, ...] = (1.0,)
    flip_test: bool = True
    projected: bool = True
    stages: str = "both"
    min_peak: float = 0.1
    score_threshold: float = 0.0

    def __post_init__(self) -> None:
        check_sides(self, "shorter_side_px")
        check_choice(self, "stages", EVALUATED_STAGES)
        check_range(self, 0, 1, "min_peak", "score_threshold")
        if 1.0 not in self.scales or list(self.scales) != sorted(set(self.scales), reverse=True):
            raise ValueError(f"scales: expected descending numbers with 1 among them, got {list(self.scales)}")
        if not all(0 < scale <= 16 for scale in self.scales):
            raise ValueError(f"scales: expected numbers in (0, 16], got {list(self.scales)}")


@dataclass(frozen=True)
class BottomUpRecipe:
    """A training recipe of bottom-up pose; see the tables above.

    Raises:
        ValueError: Settings contradict one another.
    """

    network: BottomUpNetworkRecipe
    data: CrowdData
    target: TargetRecipe
    augment: ImageAugmentConfig
    loss: SwahrLossConfig
    evaluation: BottomUpEvaluationRecipe
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    loop: LoopConfig
    more: tuple[TrainingSet, ...] = ()
    skeleton: KeypointTable = NO_TABLE

    def __post_init__(self) -> None:
        has_scale_maps = NETWORKS[self.network.name].has_scale_maps
        if self.loss.adaptive_scale and not has_scale_maps:
            raise ValueError(
                f"loss.adaptive_scale: {self.network.name} has no scale maps; set it to false, or take a "
                "network of swahr"
            )
        if has_scale_maps and not self.loss.adaptive_scale:
            raise ValueError(
                f"loss.adaptive_scale: without it, the scale maps of {self.network.name} have no loss; take "
                "a network of higher-hrnet"
            )


def list_bottom_up_recipes() -> dict[str, Path]:
    """List the recipes that ship with the package: name -> TOML file."""
    return list_recipes("swahr")


def read_bottom_up_recipe(path: Path) -> BottomUpRecipe:
    """Read a recipe, strictly.

    Raises:
        SettingsError: It cannot be read or is not valid.
    """
    return read_recipe(path, BottomUpRecipe)


def make_network(recipe: BottomUpNetworkRecipe, num_keypoints: int) -> BottomUpNetwork:
    """Make a recipe's network with random weights."""
    return make_swahr_network(NETWORKS[recipe.name], num_keypoints)
