"""Settings of predictors, that is of the tables [detector], [estimator] and [dense] of a recipe.

This module does not import torch. For settings in the metadata of weights, an empty text or 0 means "as in the
metadata".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from models.densepose.parts import MADE, SMPL
from models.detection.config import BoxChoice
from models.hrnet.variants import CODINGS
from models.settings import (
    check_choice,
    check_fraction,
    check_optional_choice,
    check_optional_range,
    check_optional_sides,
    check_range,
    check_sides,
)
from posetrack.skeleton_files import decode_skeleton

MOST_AT_ONCE = 1024
"""Largest number of frames, or of boxes, per call of a network."""
MOST_PROPOSALS = 10_000
"""Largest number of proposals of an image."""

_SIDES_PX = (32, 8192)


@dataclass(frozen=True)
class NetworkSettings:
    """Settings of all networks.

    Attributes:
        network: Name of the network; not needed if the metadata of the weights have it.
        weights: Name of weights (`posetrack weights list`) or the path of a file.
        skeleton: Name of the network's skeleton, such as `coco17`, or of the recipe's table [skeleton]; in the
            metadata of weights.
    """

    network: str = ""
    weights: str = ""
    skeleton: str = ""

    def __post_init__(self) -> None:
        if self.skeleton:
            decode_skeleton(self.skeleton)


@dataclass(frozen=True)
class DetectorSettings(NetworkSettings):
    """Settings of all [detector] tables; families add their own settings.

    Attributes:
        batch_frames: Frames per call of the network.
        det_every: Detect people every n x 0.04 s only (at 25 frames a second in every n-th frame), and in the
            first frame of every shot. There are poses in all frames nonetheless: it needs an [estimator].
            `"auto"`: when somebody is lost, people meet or something moves elsewhere, and after 0.4 s.
        between: What finds people in the frames between two detections: `"interpolation"` of their boxes, which
            waits for the second one, or optical `"flow"`; with `"auto"` and on live sources always flow.
        EVALUATED_SCORE: The `score_threshold` of evaluations on images; see `posetrack.protocol`.
        RANKS_POSES: Whether evaluations on images rank the network's own poses by their box scores alone.
    """

    EVALUATED_SCORE: ClassVar[float] = 0.0
    RANKS_POSES: ClassVar[bool] = False

    batch_frames: int = 4
    det_every: int | Literal["auto"] = 1
    between: str = "interpolation"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 1, MOST_AT_ONCE, "batch_frames")
        if self.det_every != "auto":
            check_range(self, 1, 10_000, "det_every")
        check_choice(self, "between", ("interpolation", "flow"))

    @property
    def skips_frames(self) -> bool:
        """Whether there are frames in which nobody is detected."""
        return self.det_every != 1


@dataclass(frozen=True)
class EstimatorSettings(NetworkSettings):
    """Settings of all [estimator] tables; families add their own settings.

    Attributes:
        batch_crops: Boxes per call of the network.
        between_error: Poses in interpolated boxes (`detector.between`) are interpolated too where accelerations
            make them err by at most this fraction of the box's longest side (RMS); 0 estimates all.
    """

    batch_crops: int = 8
    between_error: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 1, MOST_AT_ONCE, "batch_crops")
        check_fraction(self, "between_error")


@dataclass(frozen=True)
class MultiposeSettings(DetectorSettings):
    """Settings of MoveNet multipose.

    Attributes:
        longest_side_px: Longest side of the network's input, a multiple of 32; the aspect ratio is kept.
        score_threshold: People below this score are left out.
        nms_iou: Of two boxes with a larger IoU, the higher-scoring one stays.
        nms_oks: Of two poses with a larger OKS, the higher-scoring one stays.
    """

    longest_side_px: int = 512
    score_threshold: float = 0.2
    nms_iou: float = 0.8
    nms_oks: float = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sides(self, "longest_side_px")
        check_fraction(self, "score_threshold", "nms_iou", "nms_oks")


@dataclass(frozen=True)
class TopDownSettings(EstimatorSettings):
    """Settings of a top-down pose network. All but `flip_test` are in the metadata of its weights.

    Attributes:
        width_px: Width of the crops, a multiple of 32.
        height_px: Height of the crops, a multiple of 32.
        coding: The heatmap coding, one of `CODINGS`.
        sigma_cells: Sigma of the Gaussians in cells.
        padding: Factor by which boxes are extended before they are cut out.
        heatmap_branch: The branch of HRNet with the heatmaps, 0 the finest.
        flip_test: Whether to average over the mirrored crop: slightly more accurate, twice the time.
        scales: Factors of the size of the region that is cut out, over which heatmaps are averaged, each taking
            the time of one; one of them must be 1 or more. MPII's six-scale test has 0.8 to 1.3.
    """

    width_px: int = 0
    height_px: int = 0
    coding: str = ""
    sigma_cells: float = 0.0
    padding: float = 0.0
    heatmap_branch: int = 0
    flip_test: bool = False
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_optional_choice(self, "coding", CODINGS)
        check_optional_sides(self, "width_px", "height_px")
        check_optional_range(self, 0.1, 10, "sigma_cells")
        check_optional_range(self, 1, 5, "padding")
        check_optional_range(self, 0, 2, "heatmap_branch")
        if not self.scales or max(self.scales) < 1 or not all(0.1 <= scale <= 10 for scale in self.scales):
            raise ValueError(
                f"scales: expected numbers from 0.1 to 10, one of them 1 or more, got {list(self.scales)}"
            )


@dataclass(frozen=True)
class BottomUpSettings(DetectorSettings):
    """Settings of a bottom-up pose network.

    Attributes:
        shorter_side_px: The image's shorter side in the network's input, a multiple of 32.
        scales: Scales of the input over which maps are averaged; must contain 1.
        flip_test: Whether to average over the mirrored image, which takes twice the time.
        projected: Whether maps are resized to the input size before peaks are searched.
        stages: `both` stages' heatmaps are averaged, or only the `half` ones are used.
        min_peak: Lower bound of the height of peaks, exclusive.
        score_threshold: People below this mean keypoint score are left out.
        RANKS_POSES: By the mean height of the peaks, as the public code does.
    """

    RANKS_POSES: ClassVar[bool] = True

    shorter_side_px: int = 512
    scales: tuple[float, ...] = (1.0,)
    flip_test: bool = False
    projected: bool = False
    stages: str = "both"
    min_peak: float = 0.1
    score_threshold: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sides(self, "shorter_side_px")
        check_choice(self, "stages", ("both", "half"))
        check_fraction(self, "min_peak", "score_threshold")
        if 1.0 not in self.scales or not all(0 < scale <= 16 for scale in self.scales):
            raise ValueError(f"scales: expected numbers in (0, 16], 1 among them, got {list(self.scales)}")


@dataclass(frozen=True)
class TwoStageSettings(DetectorSettings):
    """Settings of a two-stage detector.

    Attributes:
        longest_side_px: Longest side of the network's input; the aspect ratio is kept. Without it as the
            network was made for.
        shorter_side_px: If above 0, length of the image's shorter side, unless the longer one would exceed
            `longest_side_px`; likewise.
        proposals: Proposals of an image that the box head gets, at most; without it as many as the network
            was made for. Fewer are faster.
        score_threshold: People below this score are left out.
        nms_iou: Of two people's boxes with a larger IoU, the higher-scoring one stays. Proposals have a limit
            of their own, which is the network's.
        is_nms_soft: The other one stays as well, its score times 1 - IoU.
        vote_iou: A box becomes the mean of those that overlap it by this or more, weighted by their scores; 1
            for none.
        EVALUATED_SCORE: 0.05, as torchvision and Detectron2 test their networks.
        RANKS_POSES: As they do.
    """

    EVALUATED_SCORE: ClassVar[float] = 0.05
    RANKS_POSES: ClassVar[bool] = True

    longest_side_px: int | None = None
    shorter_side_px: int | None = None
    proposals: int | None = None
    score_threshold: float = 0.2
    nms_iou: float = 0.8
    is_nms_soft: bool = False
    vote_iou: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_image_sides(self)
        if self.proposals is not None:
            check_range(self, 1, MOST_PROPOSALS, "proposals")
        check_fraction(self, "score_threshold", "nms_iou", "vote_iou")

    @property
    def box_choice(self) -> BoxChoice:
        """How boxes are chosen."""
        return BoxChoice(self.score_threshold, self.nms_iou, self.is_nms_soft, self.vote_iou)


KEYPOINT_ORIGINS = ("usual", "corner", "centre")
"""Values of `RCNNSettings.keypoint_origin`."""


@dataclass(frozen=True)
class RCNNSettings(TwoStageSettings):
    """Settings of an R-CNN.

    Attributes:
        keypoint_origin: Point of the first pixel that the network's keypoints count from: its `corner`, as
            those of our trainings; or its `centre`, as those of torchvision's, which learnt COCO's numbers as
            they are; or as is `usual` for the network: the centre for torchvision's `keypoint-rcnn`, else the
            corner. In the metadata of weights.
    """

    keypoint_origin: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_optional_choice(self, "keypoint_origin", KEYPOINT_ORIGINS)


@dataclass(frozen=True)
class DensePoseDetectorSettings(TwoStageSettings):
    """Settings of a DensePose network as a detector; the published ones were made for sides of 1333 and 800 px.

    Attributes:
        nms_iou: Of two boxes with a larger IoU, the higher-scoring one stays.
    """

    nms_iou: float = 0.5


@dataclass(frozen=True)
class DenseSettings(NetworkSettings):
    """Settings of all [dense] tables, of networks that estimate dense poses in the recipe's boxes.

    Attributes:
        batch_frames: Frames at once.
    """

    batch_frames: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, 1, MOST_AT_ONCE, "batch_frames")


@dataclass(frozen=True)
class DenseHeadSettings(DenseSettings):
    """Settings of a DensePose network whose dense head runs on given boxes.

    Attributes:
        longest_side_px: The most that the longer side of the network's input may have. Without it as the
            network was made for.
        shorter_side_px: Length of its shorter side; 0 leaves it to the longer one; likewise.
    """

    longest_side_px: int | None = None
    shorter_side_px: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_image_sides(self)


@dataclass(frozen=True)
class DenseCropSettings(DenseSettings):
    """Settings of a network of dense poses in crops.

    All but `flip_test` and `batch_crops` are in the metadata of its weights.

    Attributes:
        width_px: Width of the crops, a multiple of 32.
        height_px: Height of the crops, a multiple of 32.
        padding: Factor by which boxes are extended before they are cut out.
        charts: Whose charts they are: `made` ones of PoseTrack's own mesh, or `smpl`.
        flip_test: Whether to average over the mirrored crop: slightly more accurate, twice the time. For `made`
            charts only, whose halves are mirror images.
        batch_crops: Boxes per call of the network.
    """

    width_px: int = 0
    height_px: int = 0
    padding: float = 0.0
    charts: str = ""
    flip_test: bool = False
    batch_crops: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_optional_sides(self, "width_px", "height_px")
        check_optional_range(self, 1, 5, "padding")
        check_optional_choice(self, "charts", (MADE, SMPL))
        check_range(self, 1, MOST_AT_ONCE, "batch_crops")
        if self.flip_test and self.charts not in ("", MADE):
            raise ValueError(f"flip_test: needs {MADE} charts, with mirrored halves; these are {self.charts}")


def _check_image_sides(settings: TwoStageSettings | DenseHeadSettings) -> None:
    """Raise ValueError unless the sides of a two-stage network's input are in range."""
    if settings.longest_side_px is not None:
        check_range(settings, *_SIDES_PX, "longest_side_px")
    check_optional_range(settings, *_SIDES_PX, "shorter_side_px")
