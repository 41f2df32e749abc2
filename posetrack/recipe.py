"""One tracking recipe: which networks find and estimate people, and how they are followed.

A recipe is a TOML file of up to four tables, each the settings of one stage:

    [detector]    network = "movenet-multipose"     DetectorRecipe, below
    [estimator]   network = "movenet-thunder"       EstimatorRecipe, below; without: the detector's poses
    [tracker]     flow = "dis"                      trackers.flow_tracker.FlowTrackerConfig
    [smoother]    min_cutoff_hz = 1.0               posetrack.processors.smooth.SmootherConfig, under --smooth

Files are read strictly: an unknown key, a value of another type or out of range is an error that names it, and
so is a setting that the network does not use. A path of weights counts from the recipe's folder if there is
such a file there, else from the working folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from models.settings import SettingsError, check_choice, check_fraction, check_sides, read_tables, suggest
from posetrack.errors import RecipeError
from posetrack.processors.smooth import SmootherConfig
from posetrack.skeleton import SKELETONS
from trackers.flow_tracker import FlowTrackerConfig

# Those of `models.hrnet.codec`, which would bring torch along.
_CODINGS = ("offset", "dark", "udp")
_MULTIPOSE = "movenet-multipose"
OWN_WEIGHTS = (_MULTIPOSE, "movenet-thunder")
"""Networks that bring their weights and take no others."""


@dataclass(frozen=True)
class DetectorRecipe:
    """How people are found, by a network that gives boxes, or boxes and poses.

    Attributes:
        network: A key of `posetrack.build.DETECTORS`.
        weights: Name of weights (`posetrack weights list`) or the path of a file. MoveNet has its own.
        longest_side_px: Longest side of the network's input, a multiple of 32; the image keeps its shape.
        shorter_side_px: The shorter one, for bottom-up networks, which go by it.
        scales: At which bottom-up networks look at the image; 1 is among them.
        flip_test: Average over the mirrored image, for bottom-up networks: twice the time.
        min_peak: Peaks of a bottom-up network's heatmaps must be higher to be keypoints.
        projected: Enlarge a bottom-up network's maps to the input's size before peaks are looked for, as papers
            do: slower, a little more accurate.
        stages: `both` stages' heatmaps of a bottom-up network are averaged, or the `half` ones alone are taken.
        skeleton: The keypoints that a network that gives poses was trained for.
        score_threshold: People below this score are left out.
        nms_iou: Of two boxes that overlap more than this, the higher-scoring one stays.
        nms_oks: Of two poses more alike than this (OKS), the higher-scoring one stays; for MoveNet multipose.
        batch_frames: Frames in one call of the network.
        det_every: Look for people in each so many-th frame; in between, people are moved along by flow and
            their poses estimated again, so that this needs an [estimator].
    """

    network: str
    weights: str = ""
    longest_side_px: int = 512
    shorter_side_px: int = 512
    scales: tuple[float, ...] = (1.0,)
    flip_test: bool = False
    min_peak: float = 0.1
    projected: bool = False
    stages: str = "both"
    skeleton: str = "coco17"
    score_threshold: float = 0.2
    nms_iou: float = 0.8
    nms_oks: float = 0.6
    batch_frames: int = 4
    det_every: int = 1

    def __post_init__(self) -> None:
        check_sides(self, "longest_side_px", "shorter_side_px")
        check_fraction(self, "score_threshold", "nms_iou", "nms_oks", "min_peak")
        check_choice(self, "skeleton", tuple(SKELETONS))
        check_choice(self, "stages", ("both", "half"))
        if 1.0 not in self.scales or min(self.scales) <= 0:
            raise ValueError(f"scales: expected numbers above 0, 1 among them, got {list(self.scales)}")
        check_positive(self, "batch_frames", "det_every")


@dataclass(frozen=True)
class EstimatorRecipe:
    """How the pose in each box is estimated.

    Attributes:
        network: A key of `posetrack.build.ESTIMATORS`.
        margin: Fraction added to each box before it is cut out.
        batch_crops: Boxes in one call of the network.
        weights: Name of weights (`posetrack weights list`) or the path of a file. MoveNet has its own.
        skeleton: The keypoints that the network was trained for.
        width_px: Of the crops that it was trained for, a multiple of 32.
        height_px: Likewise.
        coding: How its heatmaps code keypoints: `offset`, `dark` or `udp`.
        sigma_cells: Width of the Gaussians that it was trained on.
        flip_test: Average over the mirrored crop: a little more accurate, twice the time.
    """

    network: str
    margin: float = 0.25
    batch_crops: int = 8
    weights: str = ""
    skeleton: str = "coco17"
    width_px: int = 192
    height_px: int = 256
    coding: str = "offset"
    sigma_cells: float = 2.0
    flip_test: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 4:
            raise ValueError(f"margin: expected a number from 0 to 4, got {self.margin}")
        check_positive(self, "batch_crops")
        check_sides(self, "width_px", "height_px")
        check_choice(self, "skeleton", tuple(SKELETONS))
        check_choice(self, "coding", _CODINGS)
        if not 0.1 <= self.sigma_cells <= 10:
            raise ValueError(f"sigma_cells: expected a number from 0.1 to 10, got {self.sigma_cells}")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run does to its frames.

    Attributes:
        name: The recipe's file name without its ending.
        detector: How people are found.
        estimator: How poses are estimated in the detector's boxes; `None` keeps the detector's poses.
        tracker: How people are followed.
        smoother: How keypoints are smoothed, where smoothing is asked for.
    """

    name: str
    detector: DetectorRecipe
    estimator: EstimatorRecipe | None = None
    tracker: FlowTrackerConfig = field(default_factory=FlowTrackerConfig)
    smoother: SmootherConfig = field(default_factory=SmootherConfig)

    def __post_init__(self) -> None:
        if self.detector.det_every > 1 and self.estimator is None:
            raise ValueError(
                "detector.det_every: above 1 it needs an [estimator], which finds the people between detections"
            )
        if self.detector.det_every - 1 > self.tracker.propagation_max_frames:
            raise ValueError(
                f"detector.det_every: {self.detector.det_every} leaves more frames between detections than "
                f"tracker.propagation_max_frames ({self.tracker.propagation_max_frames}); raise that"
            )


_SECTIONS: dict[str, type[Any]] = {
    "detector": DetectorRecipe,
    "estimator": EstimatorRecipe,
    "tracker": FlowTrackerConfig,
    "smoother": SmootherConfig,
}


Stage = TypeVar("Stage", DetectorRecipe, EstimatorRecipe)


def list_recipes() -> dict[str, Path]:
    """The recipes that ship with the package: name -> TOML file."""
    folder = Path(str(files("posetrack") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe by the name of one that ships with the package, or from a TOML file.

    Raises:
        RecipeError: There is no such recipe, or it is not valid.
    """
    shipped = list_recipes()
    path = shipped.get(str(name_or_path), Path(name_or_path))
    if path.is_dir():
        raise RecipeError(f"{name_or_path}: is a folder; give a TOML file, or {' or '.join(shipped)}")
    if not path.is_file():
        raise RecipeError(
            f"{name_or_path}: no such recipe; {suggest(str(name_or_path), shipped)}, "
            f"or the path of a TOML file (shipped: {', '.join(shipped)})"
        )
    try:
        stages = read_tables(path, _SECTIONS)
        if "detector" not in stages:
            raise RecipeError(f"{path.name}: no [detector] table; every recipe needs one")
        for name in stages.keys() & {"detector", "estimator"}:
            stages[name] = _find_weights_beside(stages[name], path)
        return Recipe(name=path.stem, **stages)
    except SettingsError as error:
        raise RecipeError(str(error)) from error
    except ValueError as error:
        raise RecipeError(f"{path.name}: {error}") from error


def use_weights(recipe: Recipe, path: Path) -> Recipe:
    """Give weights from a file to a recipe's estimator, or to its detector where that gives the poses.

    Raises:
        RecipeError: It has no estimator, and a detector with weights of its own.
    """
    if recipe.estimator is not None:
        return replace(recipe, estimator=replace(recipe.estimator, weights=str(path)))
    if recipe.detector.network == _MULTIPOSE:
        raise RecipeError(
            f"{recipe.name}: has no [estimator] that takes --weights, and {_MULTIPOSE} has its own; choose "
            "another --recipe, such as hrnet-w32 or higher-hrnet-w32"
        )
    return replace(recipe, detector=replace(recipe.detector, weights=str(path)))


def _find_weights_beside(stage: Stage, path: Path) -> Stage:
    """The settings with the file of weights in the recipe's folder, if there is one."""
    beside = path.parent / stage.weights
    return replace(stage, weights=str(beside)) if stage.weights and beside.is_file() else stage


def check_positive(settings: object, *names: str) -> None:
    """Raise ValueError unless each named setting is 1 or more."""
    for name in names:
        if getattr(settings, name) < 1:
            raise ValueError(f"{name}: expected a whole number from 1 up, got {getattr(settings, name)}")
