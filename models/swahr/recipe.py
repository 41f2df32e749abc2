"""A training recipe of bottom-up pose: which network learns what from which data.

[network]       which, and the weights that it starts from          BottomUpNetworkRecipe
[data]          annotations and images                            CrowdData
[target]        what the network is to answer                       TargetRecipe
[augment]       how images vary                                   models.swahr.dataset.ImageAugmentConfig
[loss]          which losses, and how much each counts              models.swahr.losses.SwahrLossConfig
[evaluation]    how people are found when it is evaluated           BottomUpEvaluationRecipe
[optimizer]     how weights follow gradients                        models.training.optim.OptimizerConfig
[schedule]      how the learning rate changes                       models.training.optim.ScheduleConfig
[loop]          length, speed and book-keeping                      models.training.config.LoopConfig
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.backbones.variants import MoveNetConfig
from models.settings import check_choice, check_range, check_sides
from models.swahr.codec import SIGMA_CELLS
from models.swahr.dataset import ImageAugmentConfig
from models.swahr.losses import SwahrLossConfig
from models.swahr.network import BottomUpNetwork, make_swahr_network
from models.swahr.variants import NETWORKS
from models.training.config import LoopConfig
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.recipe import list_recipes, read_recipe

UNKNOWN_KEYPOINTS = ("background", "masked")
EVALUATED_STAGES = ("both", "half")


@dataclass(frozen=True)
class BottomUpNetworkRecipe:
    """The network.

    Attributes:
        name: A key of `models.swahr.variants.NETWORKS`.
        body: A safetensors file whose body it starts from: an HRNet's of ImageNet or of any keypoints, or
            MoveNet's. Relative to the data folder; empty starts at random.
        weights: One of the same network with the same keypoints, which it starts from as a whole. In place of
            `body`.
        frozen_stages: So many of MoveNet's blocks, the stem counted, do not learn.
    """

    name: str
    body: str = ""
    weights: str = ""
    frozen_stages: int = 0

    def __post_init__(self) -> None:
        check_choice(self, "name", tuple(NETWORKS))
        check_range(self, 0, 18, "frozen_stages")
        if self.frozen_stages and not isinstance(NETWORKS[self.name].body, MoveNetConfig):
            raise ValueError(f"frozen_stages: {self.name} learns as a whole; take it out")
        if self.body and self.weights:
            raise ValueError("weights: stands beside body; keep body to leave out the heads, else weights")


@dataclass(frozen=True)
class CrowdData:
    """Where the people are. Paths are relative to the data folder (`--data`).

    Attributes:
        train: Annotations to train on, COCO-style; CrowdPose's are such.
        train_images: Folder that they name images from.
        dev: Annotations to evaluate on, likewise; empty evaluates nothing.
        dev_images: Folder that they name images from.
        skeleton: Name of the keypoints, such as `coco17`.
        max_people: Of an image; of more, the largest are learned and the others ignored.
        max_dev_images: So many are evaluated on, spread over all; 0 takes all.
    """

    train: str
    train_images: str
    dev: str = ""
    dev_images: str = ""
    skeleton: str = "coco17"
    max_people: int = 30
    max_dev_images: int = 0

    def __post_init__(self) -> None:
        check_range(self, 1, 1e4, "max_people")
        check_range(self, 0, 1e9, "max_dev_images")


@dataclass(frozen=True)
class TargetRecipe:
    """What the network sees, and what it is to answer.

    Attributes:
        size_px: Side of the square input in training.
        sigma_cells: Width of the Gaussians in cells, at both resolutions (Table 8).
        is_sigma_scaled: Whether each person's box says how wide their Gaussians are instead (SHR, Table 4).
        unknown_keypoints: `background`, as the public code learns them, or `masked`: nothing is learned of a
            person's unknown keypoints in their box. For data in which not everything is annotated.
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
            raise ValueError(f"sigma_cells: is_sigma_scaled goes by {SIGMA_CELLS:g}; leave this out")


@dataclass(frozen=True)
class BottomUpEvaluationRecipe:
    """How people are found when a network is evaluated. The defaults are the paper's test (section 4.1).

    Attributes:
        shorter_side_px: Of the images in the network's input.
        scales: At which maps are averaged, from large to small; 1 is among them.
        flip_test: Whether maps are averaged over the mirrored image.
        projected: Whether maps are enlarged to the input's size before peaks are looked for, as in the public
            code's test.
        stages: `both` stages' heatmaps are averaged, or the `half` ones alone are taken (Tables 7 and 8).
        min_peak: Peaks must be higher to be keypoints.
        score_threshold: People whose mean keypoint score is lower are left out.
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
            raise ValueError(f"scales: expected falling numbers, 1 among them, got {list(self.scales)}")
        if min(self.scales) <= 0:
            raise ValueError(f"scales: expected numbers above 0, got {list(self.scales)}")


@dataclass(frozen=True)
class BottomUpRecipe:
    """Everything that decides a training of bottom-up pose; see the tables above.

    Raises:
        ValueError: Settings do not go together.
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

    def __post_init__(self) -> None:
        has_scale_maps = NETWORKS[self.network.name].has_scale_maps
        if self.loss.adaptive_scale and not has_scale_maps:
            raise ValueError(
                f"loss.adaptive_scale: {self.network.name} has no scale maps; set it to false, or take a "
                "network of swahr"
            )
        if has_scale_maps and not self.loss.adaptive_scale:
            raise ValueError(
                f"loss.adaptive_scale: without it, nothing teaches the scale maps of {self.network.name}; take "
                "a network of higher-hrnet"
            )


def list_bottom_up_recipes() -> dict[str, Path]:
    """The recipes that ship with the package: name -> TOML file."""
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
