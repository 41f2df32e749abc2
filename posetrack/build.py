"""From a recipe to processors: the map of the application.

A new network family is one line in `DETECTORS` or `ESTIMATORS` and one recipe in `recipes/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from torch import nn

from models.backbones.variants import MOVENET_MULTIPOSE, MOVENET_THUNDER
from models.hrnet.codec import HeatmapCoding
from models.hrnet.network import HEATMAP_STRIDE
from models.hrnet.recipe import NetworkRecipe, make_network
from models.hrnet.variants import NETWORKS as TOP_DOWN_NETWORKS
from models.movenet.network import MoveNet
from models.settings import suggest
from models.swahr.codec import DecodeConfig
from models.swahr.network import make_swahr_network
from models.swahr.variants import NETWORKS as BOTTOM_UP_NETWORKS
from posetrack.compute import Compute
from posetrack.errors import RecipeError
from posetrack.images.on_device import DeviceImages
from posetrack.pipeline import RUN_AHEAD, Stage
from posetrack.predictors.hrnet import HRNetPredictor, TopDownConfig
from posetrack.predictors.movenet import (
    MultiposeConfig,
    MultiposePredictor,
    ThunderConfig,
    ThunderPredictor,
)
from posetrack.predictors.networks import Detector, Networks, PoseEstimator
from posetrack.predictors.swahr import BottomUpConfig, BottomUpPredictor
from posetrack.processors.detect import detect
from posetrack.processors.estimate import estimate
from posetrack.processors.restored import skip_restored
from posetrack.processors.smooth import smooth
from posetrack.processors.track import track
from posetrack.recipe import DetectorRecipe, EstimatorRecipe, Recipe
from posetrack.runtime import tune_process
from posetrack.skeleton import COCO_17, SKELETONS, Skeleton
from posetrack.weights.store import load_weights

V = TypeVar("V")
N = TypeVar("N", bound=nn.Module)

# The networks of `models.rcnn.recipe`, by name alone: that module brings torchvision and timm along, which take
# longer to import than torch itself, and most recipes need neither.
_BOX_NETWORKS = ("lite0-person", "movenet-person", "faster-rcnn", "mask-rcnn")
_RCNN_WITH_POSES = (
    "movenet-multitask",
    "multitask-regular",
    "multitask-rb",
    "multitask-rb-h",
    "multitask-rb-h-single-scale",
    "multitask-rb-h-keypoints-only",
    "multitask-unrefined",
    "multitask-rb-h-modulated",
    "multitask-rb-h-cross-entropy",
    "keypoint-rcnn",
)

# Settings that only bottom-up networks use.
_OF_BOTTOM_UP = ("shorter_side_px", "scales", "flip_test", "min_peak")


def _make_thunder(
    recipe: EstimatorRecipe, compute: Compute, device_images: DeviceImages | None
) -> PoseEstimator:
    if recipe.weights or recipe.flip_test or recipe.skeleton != COCO_17.name:
        raise RecipeError(
            "estimator: movenet-thunder has weights, keypoints and crops of its own; leave out weights, "
            "skeleton and flip_test, or take another network, such as hrnet-w32"
        )
    _check_unused(recipe, "estimator", "width_px", "height_px", "coding", "sigma_cells")
    network = _load(MoveNet(MOVENET_THUNDER), recipe.network)
    config = ThunderConfig(1 + recipe.margin, recipe.batch_crops)
    return ThunderPredictor(network, config, compute, device_images)


def _make_top_down(
    recipe: EstimatorRecipe, compute: Compute, device_images: DeviceImages | None
) -> PoseEstimator:
    _check_weights(recipe, "estimator")
    coding = HeatmapCoding(
        input_wh=(recipe.width_px, recipe.height_px),
        sigma_cells=recipe.sigma_cells,
        kind=recipe.coding,  # type: ignore[arg-type]
        stride=HEATMAP_STRIDE,
    )
    config = TopDownConfig(
        recipe.network,
        coding,
        padding=1 + recipe.margin,
        flip_test=recipe.flip_test,
        batch_crops=recipe.batch_crops,
    )
    skeleton = SKELETONS[recipe.skeleton]
    network = make_network(NetworkRecipe(recipe.network), skeleton.num_keypoints)
    return HRNetPredictor(_load(network, recipe.weights), config, skeleton, compute, device_images)


def _load(network: N, weights: str) -> N:
    """Fill a network with weights, by name or file, and set it to evaluation."""
    load_weights(network, weights)
    network.eval()
    return network


def _check_weights(recipe: DetectorRecipe | EstimatorRecipe, table: str) -> None:
    if not recipe.weights:
        is_asked_for_poses = table == "estimator" or recipe.network not in _BOX_NETWORKS
        own = "give a file with --weights" if is_asked_for_poses else "a file of them"
        raise RecipeError(
            f"{table}.weights: {recipe.network} needs weights; name some of `posetrack weights list`, or {own}"
        )


def _check_unused(recipe: DetectorRecipe | EstimatorRecipe, table: str, *names: str) -> None:
    """Refuse settings that the network would not look at."""
    defaults = {field.name: field.default for field in fields(recipe)}
    for name in names:
        if getattr(recipe, name) != defaults[name]:
            raise RecipeError(f"{table}.{name}: {recipe.network} does not use it; leave it out")


def _make_multipose(recipe: DetectorRecipe, compute: Compute, device_images: DeviceImages | None) -> Detector:
    if recipe.weights:
        raise RecipeError("detector.weights: movenet-multipose has weights of its own; leave this out")
    _check_unused(recipe, "detector", *_OF_BOTTOM_UP, "skeleton")
    network = _load(MoveNet(MOVENET_MULTIPOSE), recipe.network)
    config = MultiposeConfig(
        longest_side_px=recipe.longest_side_px,
        score_threshold=recipe.score_threshold,
        nms_iou=recipe.nms_iou,
        nms_oks=recipe.nms_oks,
    )
    return MultiposePredictor(network, config, compute, device_images)


def _make_rcnn(recipe: DetectorRecipe, compute: Compute, device_images: DeviceImages | None) -> Detector:
    _check_weights(recipe, "detector")
    _check_unused(recipe, "detector", *_OF_BOTTOM_UP, "nms_oks")
    if recipe.network in _BOX_NETWORKS:
        _check_unused(recipe, "detector", "skeleton")
    from models.rcnn.recipe import NETWORKS, make_rcnn
    from posetrack.predictors.rcnn import RCNNPredictor, TwoStageConfig

    num_keypoints = SKELETONS[recipe.skeleton].num_keypoints
    network = make_rcnn(replace(NETWORKS[recipe.network], num_keypoints=num_keypoints))
    config = TwoStageConfig(
        recipe.network,
        longest_side_px=recipe.longest_side_px,
        score_threshold=recipe.score_threshold,
        nms_iou=recipe.nms_iou,
    )
    return RCNNPredictor(_load(network, recipe.weights), config, compute, device_images)


def _make_bottom_up(recipe: DetectorRecipe, compute: Compute, device_images: DeviceImages | None) -> Detector:
    _check_weights(recipe, "detector")
    _check_unused(recipe, "detector", "longest_side_px", "nms_iou", "nms_oks")
    config = BottomUpConfig(
        recipe.network,
        shorter_side_px=recipe.shorter_side_px,
        scales=recipe.scales,
        flip_test=recipe.flip_test,
        score_threshold=recipe.score_threshold,
        decode=DecodeConfig(min_score=recipe.min_peak),
    )
    skeleton = SKELETONS[recipe.skeleton]
    network = make_swahr_network(BOTTOM_UP_NETWORKS[recipe.network], skeleton.num_keypoints)
    return BottomUpPredictor(_load(network, recipe.weights), config, skeleton, compute, device_images)


DETECTORS: dict[str, Callable[[DetectorRecipe, Compute, DeviceImages | None], Detector]] = {
    "movenet-multipose": _make_multipose,
    **dict.fromkeys((*_BOX_NETWORKS, *_RCNN_WITH_POSES), _make_rcnn),
    **dict.fromkeys(BOTTOM_UP_NETWORKS, _make_bottom_up),
}
"""Who finds people, by the name that recipes use."""

ESTIMATORS: dict[str, Callable[[EstimatorRecipe, Compute, DeviceImages | None], PoseEstimator]] = {
    "movenet-thunder": _make_thunder,
    **dict.fromkeys(TOP_DOWN_NETWORKS, _make_top_down),
}
"""Who estimates the pose in a box, by the name that recipes use."""


@dataclass(frozen=True)
class Pipeline:
    """A recipe made ready to run.

    Attributes:
        processors: Applied to the frames first to last.
        skeleton: The keypoints that come out.
    """

    processors: tuple[Stage, ...]
    skeleton: Skeleton


def build_networks(recipe: Recipe, compute: Compute, *, batch_frames: int) -> Networks:
    """Make the networks of a recipe.

    Args:
        recipe: What to build.
        compute: What the networks run on.
        batch_frames: Frames in one call of the detector.

    Raises:
        RecipeError: The recipe names a network that does not exist, or has a setting that its network does not
            use.
        WeightsError: A network's weights are missing or damaged.
        PoseTrackError: An engine cannot take a network.
    """
    if compute.device.type == "cpu":
        tune_process(torch_computes=compute.engine == "torch")
    # On a GPU, the image that the detector saw is still there when boxes are cut out of it.
    device_images = None
    if compute.device.type == "cuda":
        device_images = DeviceImages(compute.device, remembered=2 * batch_frames)
    make_detector = _look_up(DETECTORS, recipe.detector.network, f"{recipe.name}: detector.network")
    detector = make_detector(recipe.detector, compute, device_images)
    if recipe.estimator is None:
        return Networks(detector, None, SKELETONS[recipe.detector.skeleton])
    make_estimator = _look_up(ESTIMATORS, recipe.estimator.network, f"{recipe.name}: estimator.network")
    estimator = make_estimator(recipe.estimator, compute, device_images)
    return Networks(detector, estimator, SKELETONS[recipe.estimator.skeleton])


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
        RecipeError: The recipe names a network that does not exist, has a setting that its network does not
            use, or no network for poses.
        WeightsError: A network's weights are missing or damaged.
        PoseTrackError: An engine cannot take a network.
    """
    require_poses(recipe)
    batch_frames = batch_frames or recipe.detector.batch_frames
    networks = build_networks(recipe, compute, batch_frames=batch_frames)
    return make_pipeline(recipe, networks, compute, batch_frames=batch_frames, smoothed=smoothed)


def require_poses(recipe: Recipe) -> None:
    """Check that a recipe can follow people.

    Raises:
        RecipeError: None of its networks gives poses.
    """
    if recipe.estimator is None and recipe.detector.network in _BOX_NETWORKS:
        raise RecipeError(
            f"{recipe.name}: {recipe.detector.network} finds boxes without poses, and people are followed by "
            "their poses; add an [estimator]"
        )


def make_pipeline(
    recipe: Recipe, networks: Networks, compute: Compute, *, batch_frames: int, smoothed: bool = False
) -> Pipeline:
    """Put the processors of a recipe around its networks.

    Args:
        recipe: What the networks were built from.
        networks: May serve other pipelines, too.
        compute: What the networks run on.
        batch_frames: Frames in one call of the detector; 1 holds none back.
        smoothed: Whether keypoints are smoothed over time.
    """
    det_every = recipe.detector.det_every
    find = detect(networks.detector, batch_frames=batch_frames, det_every=det_every)
    processors = [Stage("detect", skip_restored(find))]
    if networks.estimator is not None and recipe.estimator is not None:
        crops = recipe.estimator.batch_crops
        pose = estimate(networks.estimator, batch_crops=crops, batch_frames=batch_frames)
        processors.append(Stage("estimate", skip_restored(pose)))
    if compute.engine != "torch" and batch_frames > 1:
        processors.append(RUN_AHEAD)
    follow = track(recipe.tracker, networks.skeleton, estimator=networks.estimator)
    processors.append(Stage("track", follow))
    if smoothed:
        processors.append(Stage("smooth", smooth(recipe.smoother)))
    return Pipeline(tuple(processors), networks.skeleton)


def _look_up(table: dict[str, V], name: str, where: str) -> V:
    if name not in table:
        raise RecipeError(f"{where}: unknown network '{name}'; {suggest(name, table)}")
    return table[name]
