"""Training of the R-CNN family: network, data and losses of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from models.data.instances import (
    InstanceSamples,
    join_instances,
    keep_peopled,
    read_coco_instances,
)
from models.data.stored_images import StoredImages
from models.detection.dataset import DetectionDataset, collate_samples
from models.detection.device_dataset import ImageDrawer, PlannedImages, collate_plans
from models.detection.start import load_start
from models.detection.train import make_detection_losses
from models.rcnn.recipe import DetectionData, DetectionRecipe, make_network
from models.rcnn.train import make_dataset
from models.training.draws import TrainingSet, count_draws, draw_samples, list_training_sets
from models.training.freeze import freeze_body
from models.training.int8 import prepare_int8
from models.training.task import Prepare, Task
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
    return make_two_stage_task(network, TwoStageData(whole, counts, sets), recipe, run, _load_start)


@dataclass(frozen=True)
class TwoStageData:
    """What a two-stage network is trained on.

    Attributes:
        images: The images of all sets.
        counts: The number of each set's.
        sets: The sets, with how often each is drawn.
    """

    images: DetectionDataset
    counts: list[int]
    sets: list[TrainingSet]


def make_two_stage_task(
    network: Any,
    data: TwoStageData,
    recipe: Any,
    run: TrainingRun,
    load: Callable[[Any, Path], tuple[str, ...]],
) -> Task:
    """Make the task of a two-stage network: its data, initial weights, frozen stages and losses.

    Args:
        network: The network, which is changed.
        data: Its data.
        recipe: The recipe; its table [network] says which weights and which frozen stages.
        run: The run; its weights are the initial ones, instead of those that the recipe names.
        load: Loads initial weights from a file, and returns what the names of the parameters begin with that
            have the recipe's `body_factor`.

    Raises:
        TrainingError: The weights are missing or not valid, or images do not fit into a device's memory.
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
    dataset, collate, prepare = _place_images(recipe, data.images, run.world.device)
    return Task(
        network,
        draw_samples(dataset, data.counts, data.sets, recipe.loop.seed),
        count_draws(data.counts, data.sets),
        make_detection_losses(frozen),
        collate=collate,
        body=pretrained,
        prepare=prepare,
    )


def _place_images(
    recipe: Any, images: DetectionDataset, device: torch.device
) -> tuple[Dataset[Any], Callable[[list[Any]], Any], Prepare | None]:
    """The data set, its collation and preparation, by where the recipe wants the images."""
    if recipe.loop.data != "device":
        return images, collate_samples, None
    stored = StoredImages(images.samples.images, range(len(images)), device)
    if is_host(device):
        # OpenCV's resizing is many times as fast there as interpolation in batches.
        images.stored = stored
        return images, collate_samples, _leave
    return PlannedImages(images, stored.sizes_wh), collate_plans, ImageDrawer(stored)


def is_host(device: torch.device) -> bool:
    """Whether a device's memory is that of the machine."""
    return device.type == "cpu"


def _leave(batch: Any) -> Any:
    return batch


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
