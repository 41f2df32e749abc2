"""From a recipe to processors: the map of the application.

A new network family is one line in `DETECTORS` or `ESTIMATORS` and one recipe in `recipes/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from posetrack.compute import Compute
from posetrack.errors import RecipeError, suggest
from posetrack.pipeline import FrameProcessor, run_ahead
from posetrack.predictors.device_images import DevicePictures
from posetrack.predictors.movenet import MultiposePredictor, ThunderPredictor
from posetrack.processors.detect import Detector, detect
from posetrack.processors.estimate import PoseEstimator, estimate
from posetrack.processors.smooth import smooth
from posetrack.processors.track import track
from posetrack.recipe import DetectorRecipe, EstimatorRecipe, Recipe
from posetrack.runtime import tune_process
from posetrack.skeleton import COCO_17, Skeleton

V = TypeVar("V")


DETECTORS: dict[str, Callable[[DetectorRecipe, Compute, DevicePictures | None], Detector]] = {
    "movenet-multipose": lambda recipe, compute, pictures: MultiposePredictor(
        compute,
        longest_side_px=recipe.longest_side_px,
        score_threshold=recipe.score_threshold,
        nms_iou=recipe.nms_iou,
        nms_oks=recipe.nms_oks,
        pictures=pictures,
    ),
}
"""Who finds people, by the name that recipes use."""

ESTIMATORS: dict[str, Callable[[EstimatorRecipe, Compute, DevicePictures | None], PoseEstimator]] = {
    "movenet-thunder": lambda recipe, compute, pictures: ThunderPredictor(
        compute, margin=recipe.margin, batch_crops=recipe.batch_crops, pictures=pictures
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
    recipe: Recipe, compute: Compute, *, batch_frames: int | None = None, smoothed: bool = False
) -> Pipeline:
    """Make the processors of a recipe.

    Args:
        recipe: What to build.
        compute: What the networks run on.
        batch_frames: Frames in one call of the detector, instead of the recipe's.
        smoothed: Whether keypoints are smoothed over time.

    Raises:
        RecipeError: The recipe names a network that does not exist.
        WeightsError: A network's weights are missing or damaged.
        PoseTrackError: An engine cannot take a network.
    """
    if compute.device.type == "cpu":
        tune_process(torch_computes=compute.engine == "torch")
    batch_frames = batch_frames or recipe.detector.batch_frames
    # On a GPU, the picture that the detector saw is still there when boxes are cut out of it.
    pictures = None
    if compute.device.type == "cuda":
        pictures = DevicePictures(compute.device, remembered=2 * batch_frames)
    make_detector = _look_up(DETECTORS, recipe.detector.network, f"{recipe.name}: detector.network")
    processors = [
        detect(
            make_detector(recipe.detector, compute, pictures),
            batch_frames=batch_frames,
            det_every=recipe.detector.det_every,
        )
    ]
    estimator = None
    if recipe.estimator is not None:
        make = _look_up(ESTIMATORS, recipe.estimator.network, f"{recipe.name}: estimator.network")
        estimator = make(recipe.estimator, compute, pictures)
        processors.append(
            estimate(estimator, batch_crops=recipe.estimator.batch_crops, batch_frames=batch_frames)
        )
    if compute.engine != "torch" and batch_frames > 1:
        processors.append(run_ahead)
    processors.append(track(recipe.tracker, COCO_17, estimator=estimator))
    if smoothed:
        processors.append(smooth(recipe.smoother))
    return Pipeline(tuple(processors), COCO_17)


def _look_up(table: dict[str, V], name: str, where: str) -> V:
    if name not in table:
        raise RecipeError(f"{where}: unknown network '{name}'; {suggest(name, list(table))}")
    return table[name]
