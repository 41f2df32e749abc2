"""From a recipe to processors: the map of the application.

A new network family is one line in `DETECTORS` or `ESTIMATORS` and one recipe in `recipes/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from models.engines.choice import choose_engine
from models.engines.engine import EngineError
from posetrack.errors import PoseTrackError, RecipeError, suggest
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.movenet import MultiposePredictor, ThunderPredictor
from posetrack.processors.detect import Detector, detect
from posetrack.processors.estimate import PoseEstimator, estimate
from posetrack.processors.smooth import smooth
from posetrack.processors.track import track
from posetrack.recipe import DetectorRecipe, EstimatorRecipe, Recipe
from posetrack.runtime import tune_process
from posetrack.skeleton import COCO_17, Skeleton

V = TypeVar("V")


@dataclass(frozen=True)
class Compute:
    """What networks run on.

    Attributes:
        device: Where.
        engine: Who computes, a key of `models.engines.make.ENGINES` or `auto`.
        precision: `f32`, `bf16`, `fp16` or `auto`.
    """

    device: torch.device
    engine: str = "auto"
    precision: str = "auto"


DETECTORS: dict[str, Callable[[DetectorRecipe, Compute], Detector]] = {
    "movenet-multipose": lambda recipe, compute: MultiposePredictor(
        compute.device,
        longest_side_px=recipe.longest_side_px,
        score_threshold=recipe.score_threshold,
        nms_iou=recipe.nms_iou,
        nms_oks=recipe.nms_oks,
        engine=compute.engine,
        precision=compute.precision,
    ),
}
"""Who finds people, by the name that recipes use."""

ESTIMATORS: dict[str, Callable[[EstimatorRecipe, Compute], PoseEstimator]] = {
    "movenet-thunder": lambda recipe, compute: ThunderPredictor(
        compute.device,
        margin=recipe.margin,
        batch_crops=recipe.batch_crops,
        engine=compute.engine,
        precision=compute.precision,
    ),
}
"""Who estimates the pose in a box, by the name that recipes use."""


@dataclass(frozen=True)
class Pipeline:
    """A recipe made ready to run.

    Attributes:
        processors: Applied to the frames first to last.
        skeleton: The keypoints that come out.
    """

    processors: tuple[FrameProcessor, ...]
    skeleton: Skeleton


def build_pipeline(
    recipe: Recipe,
    device: torch.device,
    *,
    engine: str = "auto",
    precision: str = "auto",
    batch_frames: int | None = None,
    smoothed: bool = False,
) -> Pipeline:
    """Make the processors of a recipe.

    Args:
        recipe: What to build.
        device: Where the networks run.
        engine: Who computes, a key of `models.engines.make.ENGINES` or `auto`.
        precision: `f32`, `bf16`, `fp16` or `auto`.
        batch_frames: Frames in one call of the detector, instead of the recipe's.
        smoothed: Whether keypoints are smoothed over time.

    Raises:
        RecipeError: The recipe names a network that does not exist.
        WeightsError: A network's weights are missing or damaged.
        PoseTrackError: The engine or precision does not exist, or not on this device.
    """
    compute = _settle(Compute(device, engine, precision))
    if device.type == "cpu":
        tune_process(torch_computes=compute.engine == "torch")
    batch_frames = batch_frames or recipe.detector.batch_frames
    make_detector = _look_up(DETECTORS, recipe.detector.network, f"{recipe.name}: detector.network")
    processors = [detect(make_detector(recipe.detector, compute), batch_frames=batch_frames)]
    estimator = None
    if recipe.estimator is not None:
        make = _look_up(ESTIMATORS, recipe.estimator.network, f"{recipe.name}: estimator.network")
        estimator = make(recipe.estimator, compute)
        processors.append(
            estimate(estimator, batch_crops=recipe.estimator.batch_crops, batch_frames=batch_frames)
        )
    processors.append(track(recipe.tracker, COCO_17, estimator=estimator))
    if smoothed:
        processors.append(smooth(recipe.smoother))
    return Pipeline(tuple(processors), COCO_17)


def choose_device(name: str = "auto") -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there.

    Raises:
        PoseTrackError: There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()) or (kind == "cpu" and number):
        raise PoseTrackError(f"--device {name}: no such device; use auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise PoseTrackError(
            f"--device {name}: torch sees {torch.cuda.device_count()} CUDA devices; use --device cpu, or see "
            "`posetrack doctor`"
        )
    return torch.device(name)


def _settle(compute: Compute) -> Compute:
    try:
        choice = choose_engine(compute.engine, compute.precision, compute.device)
    except EngineError as error:
        raise PoseTrackError(str(error)) from error
    return Compute(compute.device, choice.engine, choice.precision)


def _look_up(table: dict[str, V], name: str, where: str) -> V:
    if name not in table:
        raise RecipeError(f"{where}: unknown network '{name}'; {suggest(name, list(table))}")
    return table[name]
