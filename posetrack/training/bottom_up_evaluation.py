"""Evaluation of bottom-up pose networks during training: the family's predictor on the recipe's dev set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from torch import nn

from models.data.coco import decode_coco_samples
from models.data.coco_people import read_coco_people
from models.swahr.network import BottomUpNetwork
from models.swahr.recipe import BottomUpRecipe
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.coco_files import keep_images
from posetrack.evaluation.crowdpose import evaluate_crowdpose
from posetrack.evaluation.pictures import collect_results, group_by_size
from posetrack.predictors.networks import Networks
from posetrack.predictors.settings import BottomUpSettings
from posetrack.predictors.swahr import BottomUpPredictor
from posetrack.skeleton import CROWDPOSE_14
from posetrack.skeleton_files import encode_skeleton
from posetrack.training.evaluation import (
    DevImages,
    Metrics,
    check_dev_images,
    collect_annotated,
    find_compute,
    list_sample_images,
    predict_dev_images,
    spread_positions,
)
from posetrack.training.run import TrainingRun
from posetrack.training.skeletons import find_skeleton

_SHOWN_IMAGES = 8


def make_bottom_up_evaluation(recipe: BottomUpRecipe, run: TrainingRun) -> Callable[[nn.Module, int], Metrics]:
    """Make the function that evaluates a network on the recipe's dev set and draws sample images.

    All images of the annotation file are used, also those without people.

    Returns:
        A function from network and epoch to COCO's or CrowdPose's metrics, AP first.

    Raises:
        TrainingError: Data are missing or not valid.
        ResultsError: Annotations are missing or not valid.
    """
    skeleton = find_skeleton(recipe)
    path = run.data_folder / recipe.data.dev
    content = read_coco_people(path, skeleton.names).content
    images = run.data_folder / recipe.data.dev_images
    everyone = decode_coco_samples(content, images, skeleton.num_keypoints, str(path))
    most = recipe.data.max_dev_images or len(everyone.images)
    samples = everyone.select_images(spread_positions(len(everyone.images), most))
    annotations = keep_images(content, samples.image_ids.tolist())
    shown = samples.image_ids[spread_positions(len(samples.image_ids), _SHOWN_IMAGES)]
    dev = DevImages(group_by_size(list_sample_images(samples)), shown=collect_annotated(samples, shown))
    dev = check_dev_images(dev, str(path))
    settings = make_settings(recipe)

    def evaluate(network: nn.Module, epoch: int) -> Metrics:
        compute = find_compute(network, recipe.loop.precision)
        predict = BottomUpPredictor(cast(BottomUpNetwork, network), settings, skeleton, compute)
        predicted = predict_dev_images(dev, Networks(predict, None, skeleton), run.find_samples(epoch))
        return measure(collect_results(predicted, by_detector=settings.RANKS_POSES)["keypoints"])

    def measure(results: list[dict[str, Any]]) -> Metrics:
        if skeleton is CROWDPOSE_14:
            return evaluate_crowdpose(annotations, results, annotations_name=str(path))
        return evaluate_coco(annotations, results, sigmas=skeleton.sigmas, annotations_name=str(path))

    # Nothing is found yet: this checks the annotations before the training.
    measure([])
    return evaluate


def make_settings(recipe: BottomUpRecipe) -> BottomUpSettings:
    """Make the settings of the predictor for the evaluation."""
    evaluation = recipe.evaluation
    return BottomUpSettings(
        recipe.network.name,
        skeleton=encode_skeleton(find_skeleton(recipe)),
        shorter_side_px=evaluation.shorter_side_px,
        scales=evaluation.scales,
        flip_test=evaluation.flip_test,
        projected=evaluation.projected,
        stages=evaluation.stages,
        min_peak=evaluation.min_peak,
        score_threshold=evaluation.score_threshold,
    )
