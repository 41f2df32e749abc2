"""Training of dense poses top-down: network, data and losses of a recipe, and its evaluation."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
from torch import nn

from models.data.coco_people import read_coco_people
from models.data.instances import join_instances
from models.densepose.crops.network import make_dense_crop_network
from models.densepose.crops.recipe import DenseCropRecipe
from models.densepose.crops.train import load_body, make_dataset, make_dense_crop_losses, read_people
from models.densepose.parts import MADE, SMPL
from models.training.draws import count_draws, draw_samples, list_training_sets
from models.training.freeze import freeze_movenet
from models.training.start import load_whole
from models.training.task import Task
from posetrack.evaluation.coco_files import keep_images
from posetrack.evaluation.densepose.predicted import pass_dense
from posetrack.evaluation.pictures import group_by_size
from posetrack.predictors.dense_crops import DenseCropPredictor
from posetrack.predictors.networks import Networks
from posetrack.predictors.settings import DenseCropSettings
from posetrack.results.dense_results import DenseResult
from posetrack.skeleton import COCO_17
from posetrack.training.densepose import make_dense_measure, read_dev_samples
from posetrack.training.detection_evaluation import SHOWN_IMAGES, collect_instances
from posetrack.training.evaluation import (
    DevImages,
    Metrics,
    check_dev_images,
    find_compute,
    predict_dev_images,
    spread_positions,
)
from posetrack.training.run import TrainingRun
from posetrack.training.top_down_evaluation import find_nobody

_BATCH_CROPS = 32


def make_dense_crop_task(recipe: DenseCropRecipe, run: TrainingRun) -> Task:
    """Make network, data set and losses of a recipe.

    Args:
        recipe: The recipe.
        run: The run; its weights replace those that the recipe names: those of the whole network for
            `network.weights`, else of all but the dense head.

    Raises:
        TrainingError: Data or weights are missing or not valid.
    """
    parts, sets = read_people(recipe, run.data_folder, COCO_17.names), list_training_sets(recipe)
    counts = [len(part) for part in parts]
    whole = make_dataset(recipe, reduce(join_instances, parts), run.data_folder)
    named = recipe.network
    network = make_dense_crop_network(named.name)
    if named.weights:
        load_whole(network, run.weights or run.data_folder / named.weights)
    elif run.weights is not None or named.body:
        load_body(network, run.weights or run.data_folder / named.body)
    body = freeze_movenet(network, stages=named.frozen_stages)
    dataset = draw_samples(whole, counts, sets, recipe.loop.seed)
    return Task(
        network,
        dataset,
        count_draws(counts, sets),
        make_dense_crop_losses(recipe.losses.make_config("none")),
        body=body,
    )


def make_dense_crop_evaluation(
    recipe: DenseCropRecipe, run: TrainingRun
) -> Callable[[nn.Module, int], Metrics]:
    """Make the function that evaluates a network on the recipe's dev set and draws sample images.

    The boxes are those of the annotations.

    Returns:
        A function from network and epoch to the metrics: `gps_AP` and so on first with a mesh, and without one
        those of masks alone.

    Raises:
        TrainingError: Data are missing or not valid.
        ResultsError: Annotations or mesh files for the evaluation are missing or not valid.
    """
    path = run.data_folder / recipe.data.dev
    samples = read_dev_samples(recipe.data, run)
    people = read_coco_people(path, (), needs_keypoints=False)
    annotations = keep_images(people.content, samples.image_ids.tolist())
    boxes = collect_instances(samples, np.arange(samples.num_images))
    images = dict(zip(samples.image_ids.tolist(), samples.images, strict=True))
    shown = spread_positions(samples.num_images, SHOWN_IMAGES)
    dev = check_dev_images(DevImages(group_by_size(images), collect_instances(samples, shown), 0.0), str(path))
    settings = make_settings(recipe)
    measure = make_dense_measure(recipe.data, run, annotations)

    def evaluate(network: nn.Module, epoch: int) -> Metrics:
        predictor = DenseCropPredictor(network, settings, find_compute(network, recipe.loop.precision))
        networks = Networks(find_nobody, None, COCO_17, predictor.estimate_dense)
        dense: list[DenseResult] = []
        for _ in pass_dense(predict_dev_images(dev, networks, run.find_samples(epoch), boxes=boxes), dense):
            pass
        return measure(dense)

    # Nothing is found yet: this checks the annotations before the training.
    measure([])
    return evaluate


def make_settings(recipe: DenseCropRecipe) -> DenseCropSettings:
    """Make the settings of the predictor for the evaluation."""
    crop = recipe.crop
    return DenseCropSettings(
        recipe.network.name,
        skeleton=COCO_17.name,
        width_px=crop.width_px,
        height_px=crop.height_px,
        padding=crop.padding,
        charts=MADE if MADE in (recipe.data.symmetry, recipe.data.mesh) else SMPL,
        batch_crops=_BATCH_CROPS,
    )
