"""Training of the R-CNN family: network, data and losses of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from models.data.instances import (
    InstanceSamples,
    join_instances,
    keep_peopled,
    read_coco_instances,
)
from models.detection.dataset import collate_samples
from models.detection.start import load_start
from models.detection.train import make_detection_losses
from models.rcnn.recipe import DetectionData, DetectionRecipe, make_network
from models.rcnn.train import make_dataset
from models.training.draws import TrainingSet, count_draws, draw_samples, list_training_sets
from models.training.freeze import freeze_body
from models.training.int8 import prepare_int8
from models.training.task import Task
from posetrack.training.run import TrainingRun
from posetrack.training.skeletons import find_skeleton

# Prefixes of the names of the weights that may have their own learning rate.
_BODY = ("backbone.body.",)
# Detectors of boxes may get keypoints.
_KEYPOINT_HEAD = ("roi_heads.keypoint_head.", "roi_heads.keypoint_predictor.")


def make_detection_task(recipe: DetectionRecipe, run: TrainingRun) -> Task:
    """Make network, data set and losses of a recipe of the R-CNN family.

    Args:
        recipe: The recipe.
        run: The run; its weights are the initial ones, instead of those that the recipe names.

    Raises:
        TrainingError: Data or weights are missing or not valid.
    """
    skeleton = find_skeleton(recipe)
    sets, folder = list_training_sets(recipe), run.data_folder
    parts = [
        _read_samples(recipe.data, each, skeleton.names, folder).check_images(str(folder / each.train))
        for each in sets
    ]
    network = make_network(recipe.network, skeleton.num_keypoints)
    whole = make_dataset(recipe, reduce(join_instances, parts), skeleton.flip_index)
    counts = [part.num_images for part in parts]
    dataset = draw_samples(whole, counts, sets, recipe.loop.seed)
    return make_two_stage_task(network, dataset, count_draws(counts, sets), recipe, run, _load_start)


def make_two_stage_task(
    network: Any,
    dataset: Dataset[Any],
    num_samples: int,
    recipe: Any,
    run: TrainingRun,
    load: Callable[[Any, Path], tuple[str, ...]],
) -> Task:
    """Make the task of a two-stage network: its initial weights, frozen stages and losses.

    Args:
        network: The network, which is changed.
        dataset: Its data set.
        num_samples: Number of its samples.
        recipe: The recipe; its table [network] says which weights and which frozen stages.
        run: The run; its weights are the initial ones, instead of those that the recipe names.
        load: Loads initial weights from a file, and returns what the names of the parameters begin with that
            have the recipe's `body_factor`.

    Raises:
        TrainingError: The weights are missing or not valid.
    """
    pretrained: tuple[str, ...] = ()
    if run.weights is not None or recipe.network.body:
        pretrained = load(network, run.weights or run.data_folder / recipe.network.body)
    frozen = freeze_body(
        network.backbone.body,
        stages=recipe.network.frozen_stages,
        is_batch_norm_frozen=recipe.network.is_batch_norm_frozen,
        is_batch_norm_constant=recipe.network.is_batch_norm_constant,
    )
    if recipe.network.is_int8:
        prepare_int8(network)
    return Task(
        network,
        dataset,
        num_samples,
        make_detection_losses(frozen),
        collate=collate_samples,
        body=pretrained,
    )


def _load_start(network: Any, path: Path) -> tuple[str, ...]:
    load_start(network, path, _KEYPOINT_HEAD)
    return _BODY


def _read_samples(
    data: DetectionData, each: TrainingSet, keypoint_names: Sequence[str], data_folder: Path
) -> InstanceSamples:
    samples = read_coco_instances(
        data_folder / each.train,
        data_folder / each.train_images,
        keypoint_names,
        min_box_score=data.min_box_score,
    )
    return keep_peopled(samples) if data.is_peopled_only else samples
