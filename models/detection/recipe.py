"""What the training recipes of two-stage networks have in common.

[network]       the network and its pretrained weights              TwoStageNetworkRecipe
[data]          annotations and images                              PeopleData
[[more]]        more annotations to train on                        models.training.draws.TrainingSet
[canvas]        the input size                                      CanvasRecipe
[augment]       augmentation                                        models.detection.augment.DetectionAugment
[evaluation]    settings of the predictor while training            DetectionEvaluationRecipe
[optimizer]     optimiser and its settings                          models.training.optim.OptimizerConfig
[schedule]      learning rate schedule                              models.training.optim.ScheduleConfig
[loop]          length, batches, precision, checkpoints             models.training.config.LoopConfig
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from models.backbones.variants import MOVENET_STAGES
from models.detection.augment import DetectionAugment
from models.detection.config import TwoStageConfig
from models.detection.plan import Canvas
from models.settings import LONGEST_SIDE_PX, check_range
from models.training.config import LoopConfig
from models.training.draws import TrainingSet, check_times
from models.training.optim import OptimizerConfig, ScheduleConfig

C = TypeVar("C", bound=TwoStageConfig)

_COARSEST_STRIDE = 32


@dataclass(frozen=True)
class TwoStageNetworkRecipe:
    """The network to train and what it starts from.

    Attributes:
        name: Name of the network.
        body: Pretrained weights of the body, from ImageNet or MoveNet, or a safetensors file of the whole
            network. Relative to the data folder; empty starts from random weights.
        frozen_stages: Number of the body's stages, from the stem on, that are frozen; MoveNet has 20, the
            last of which is its pyramid with the heatmaps.
        is_batch_norm_frozen: Whether the body's batch norms keep their statistics, for small batches.
        is_batch_norm_constant: Whether they keep their weights and biases too, as in detectron2's bodies.
        proposals: Proposals of each image, and of each level, in training; 0 takes the network's own number.
        sampled_proposals: Proposals of each image that the losses are computed on; 0 likewise.
        sampled_anchors: Anchors of each image that the losses of proposals are computed on; 0 likewise.
        is_int8: Whether layers compute with the values that they will have in int8 (`models.training.int8`), to
            fine-tune weights for `posetrack export --int8`.
    """

    name: str
    body: str = ""
    frozen_stages: int = 0
    is_batch_norm_frozen: bool = False
    is_batch_norm_constant: bool = False
    proposals: int = 0
    sampled_proposals: int = 0
    sampled_anchors: int = 0
    is_int8: bool = False

    def __post_init__(self) -> None:
        check_range(self, 0, 1e5, "proposals", "sampled_proposals", "sampled_anchors")
        check_range(self, 0, MOVENET_STAGES, "frozen_stages")


@dataclass(frozen=True)
class PeopleData:
    """Annotations and images. Paths are relative to the data folder (`--data`).

    Attributes:
        train: Annotations to train on, in COCO's format.
        train_images: Folder of their images.
        dev: Annotations to evaluate on, likewise; empty evaluates nothing.
        dev_images: Folder of their images.
        min_box_score: Annotated boxes with a lower score, as a teacher gives, become ignored regions.
        is_peopled_only: Whether to leave out images without annotated people.
        max_dev_images: Number of images to evaluate on, evenly spaced; 0 takes all.
        times: How often each image of `train` is drawn in an epoch, beside those of `[[more]]`.
    """

    train: str
    train_images: str
    dev: str = ""
    dev_images: str = ""
    min_box_score: float = 0.0
    is_peopled_only: bool = True
    max_dev_images: int = 0
    times: float = 1.0

    def __post_init__(self) -> None:
        check_times(self)
        check_range(self, 0, 1, "min_box_score")
        check_range(self, 0, 1e9, "max_dev_images")


@dataclass(frozen=True)
class CanvasRecipe:
    """The input size: a canvas that images are letterboxed to, or lengths of their shorter side.

    Attributes:
        width_px: Width of the canvas; 0 is no canvas.
        height_px: Its height.
        short_sides_px: Without a canvas, lengths of an image's shorter side, of which one is drawn.
        max_side_px: Without a canvas, limit of the longer side.
    """

    width_px: int = 0
    height_px: int = 0
    short_sides_px: tuple[int, ...] = ()
    max_side_px: int = 1333

    def __post_init__(self) -> None:
        for name in ("width_px", "height_px"):
            side = getattr(self, name)
            if not 0 <= side <= LONGEST_SIDE_PX or side % _COARSEST_STRIDE:
                raise ValueError(
                    f"{name}: expected a multiple of {_COARSEST_STRIDE} up to {LONGEST_SIDE_PX}, got {side}"
                )
        if bool(self.width_px) != bool(self.height_px):
            raise ValueError(f"width_px: is {self.width_px}, but height_px {self.height_px}; give both")
        if bool(self.width_px) == bool(self.short_sides_px):
            raise ValueError("width_px: give width_px and height_px, or short_sides_px")
        sides = (*self.short_sides_px, self.max_side_px)
        if not all(_COARSEST_STRIDE <= side <= LONGEST_SIDE_PX for side in sides):
            raise ValueError(f"short_sides_px: expected {_COARSEST_STRIDE} to {LONGEST_SIDE_PX} pixels")

    def make_canvas(self) -> Canvas:
        """Make the canvas of a data set."""
        return Canvas((self.width_px, self.height_px), self.short_sides_px, self.max_side_px)


@dataclass(frozen=True)
class DetectionEvaluationRecipe:
    """Settings of the predictor that evaluates a network while training.

    Attributes:
        longest_side_px: Longest side of images in the network's input; 0 where nothing is evaluated.
        shorter_side_px: Their shorter side, where the longest allows it; 0 goes by the longest alone.
        proposals: Proposals of an image that the box head gets, at most; without it as many as the network was
            made for.
        score_threshold: People with a lower box score are left out.
        nms_iou: Of two boxes that overlap more than this, the higher-scoring one stays.
    """

    longest_side_px: int = 0
    shorter_side_px: int = 0
    proposals: int | None = None
    score_threshold: float = 0.05
    nms_iou: float = 0.5

    def __post_init__(self) -> None:
        check_range(self, 0, LONGEST_SIDE_PX, "longest_side_px", "shorter_side_px")
        if self.proposals is not None:
            check_range(self, 1, 1e4, "proposals")
        check_range(self, 0, 1, "score_threshold", "nms_iou")


@dataclass(frozen=True)
class TwoStageRecipe:
    """All settings of a training; see the tables above.

    Raises:
        ValueError: Settings do not go together.
    """

    network: TwoStageNetworkRecipe
    data: PeopleData
    canvas: CanvasRecipe
    augment: DetectionAugment
    evaluation: DetectionEvaluationRecipe
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    loop: LoopConfig
    more: tuple[TrainingSet, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if self.data.dev and not self.evaluation.longest_side_px:
            raise ValueError("evaluation.longest_side_px: missing; data.dev is evaluated at this size")


def apply_numbers(config: C, recipe: TwoStageNetworkRecipe) -> C:
    """Set the numbers of a recipe in the configuration of its network."""
    if recipe.sampled_proposals:
        config = replace(config, sampled_proposals=recipe.sampled_proposals)
    if recipe.sampled_anchors:
        config = replace(config, sampled_anchors=recipe.sampled_anchors)
    if recipe.proposals:
        config = replace(
            config,
            proposals=(recipe.proposals, config.proposals[1]),
            proposals_per_level=(recipe.proposals, config.proposals_per_level[1]),
        )
    return config
