"""Training of bottom-up pose: its data, its start, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from models.data.coco import read_coco_samples
from models.data.people_crops import read_image_samples
from models.swahr.network import BottomUpNetwork
from models.swahr.recipe import BottomUpRecipe, make_network
from models.swahr.train import load_body, make_bottom_up_losses, make_dataset
from models.training.freeze import freeze_movenet
from models.training.loop import Evaluate, Task, Trainer
from models.training.start import load_whole
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.coco_files import keep_images, read_coco_annotations
from posetrack.evaluation.crowdpose import evaluate_crowdpose
from posetrack.evaluation.pictures import collect_results, group_by_size
from posetrack.predictors.networks import Networks
from posetrack.predictors.settings import BottomUpSettings
from posetrack.predictors.swahr import BottomUpPredictor
from posetrack.skeleton import CROWDPOSE_14, Skeleton
from posetrack.training.evaluation import (
    DevImages,
    Metrics,
    collect_annotated,
    evaluate_nothing,
    find_compute,
    list_image_paths,
    predict_dev_images,
    spread_positions,
)
from posetrack.training.run import TrainingRun, make_trainer
from posetrack.training.skeletons import find_skeleton

_SHOWN_IMAGES = 8


def make_bottom_up_trainer(recipe: BottomUpRecipe, run: TrainingRun) -> Trainer:
    """Everything that a recipe of bottom-up pose says, ready to run.

    Args:
        recipe: What to train.
        run: Where, and who takes part; its weights stand for those that the recipe names: the whole network's
            for `network.weights`, else the body's.

    Raises:
        TrainingError: Data or weights are missing or not what they should be.
        ResultsError: The same of annotations to evaluate on.
    """
    skeleton = find_skeleton(recipe.data.skeleton)
    data, folder = recipe.data, run.data_folder
    run.check_data_folder()
    torch.manual_seed(recipe.loop.seed)
    network = make_network(recipe.network, skeleton.num_keypoints)
    if recipe.network.weights:
        load_whole(network, run.weights or folder / recipe.network.weights)
    elif run.weights is not None or recipe.network.body:
        load_body(network, run.weights or folder / recipe.network.body)
    body = freeze_movenet(network, stages=recipe.network.frozen_stages)
    samples = read_image_samples(folder / data.train, folder / data.train_images, skeleton.num_keypoints)
    evaluate: Evaluate | None = None
    if data.dev and recipe.loop.evaluate_every_epochs:
        evaluate = make_evaluation(recipe, skeleton, run) if run.world.is_main else evaluate_nothing
    task = Task(
        network,
        make_dataset(recipe, samples, skeleton.flip_index),
        len(samples),
        make_bottom_up_losses(recipe.target, recipe.loss),
        evaluate,
        run.recipe_text,
        body=body,
    )
    return make_trainer(task, recipe, run)


def make_evaluation(
    recipe: BottomUpRecipe, skeleton: Skeleton, run: TrainingRun
) -> Callable[[nn.Module, int], Metrics]:
    """A function that evaluates a network on the recipe's dev set, and draws some of its images.

    All images of the annotation file count, also those without people, where only mistakes can be found.

    Returns:
        From network and epoch to COCO's or CrowdPose's numbers, AP first.
    """
    path = run.data_folder / recipe.data.dev
    everyone = read_coco_samples(path, run.data_folder / recipe.data.dev_images, skeleton.num_keypoints)
    most = recipe.data.max_dev_images or len(everyone.image_paths)
    samples = everyone.select_images(spread_positions(len(everyone.image_paths), most))
    annotations = keep_images(read_coco_annotations(path), samples.image_ids.tolist())
    shown = samples.image_ids[spread_positions(len(samples.image_ids), _SHOWN_IMAGES)]
    dev = DevImages(
        group_by_size(list_image_paths(samples), annotations), shown=collect_annotated(samples, shown)
    )
    settings = make_settings(recipe)

    def evaluate(network: nn.Module, epoch: int) -> Metrics:
        compute = find_compute(network, recipe.loop.precision)
        predict = BottomUpPredictor(cast(BottomUpNetwork, network), settings, skeleton, compute)
        predicted = predict_dev_images(dev, Networks(predict, None, skeleton), run.find_samples(epoch))
        results = collect_results(predicted)["keypoints"]
        if skeleton is CROWDPOSE_14:
            return evaluate_crowdpose(annotations, results, annotations_name=str(path))
        return evaluate_coco(annotations, results, sigmas=skeleton.sigmas, annotations_name=str(path))

    return evaluate


def make_settings(recipe: BottomUpRecipe) -> BottomUpSettings:
    """The settings of the predictor that evaluates a recipe's network."""
    evaluation = recipe.evaluation
    return BottomUpSettings(
        recipe.network.name,
        skeleton=recipe.data.skeleton,
        shorter_side_px=evaluation.shorter_side_px,
        scales=evaluation.scales,
        flip_test=evaluation.flip_test,
        projected=evaluation.projected,
        stages=evaluation.stages,
        min_peak=evaluation.min_peak,
        score_threshold=evaluation.score_threshold,
    )
