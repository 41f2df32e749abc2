"""Training of top-down pose networks: network, data and losses of a recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from models.data.samples import PoseSamples, join_samples
from models.data.stored_images import StoredImages
from models.hrnet.device_dataset import CropDrawer, PlannedCrops
from models.hrnet.recipe import PoseRecipe, choose_size, make_network
from models.hrnet.start import load_body, load_whole
from models.hrnet.train import make_coding, make_dataset, make_pose_losses
from models.training.draws import count_draws, draw_samples, list_training_sets
from models.training.freeze import freeze_movenet
from models.training.stages import StageConfig, make_single_stage
from models.training.task import Task, TrainingStage
from posetrack.training.run import TrainingRun
from posetrack.training.skeletons import find_skeleton
from posetrack.training.top_down_samples import read_training_samples

_LEGS = ("hip", "knee", "ankle", "pelvis", "heel", "toe")


def make_top_down_task(recipe: PoseRecipe, run: TrainingRun) -> Task:
    """Make network, data set and losses of a top-down recipe.

    Args:
        recipe: The recipe.
        run: The run; its weights replace those that the recipe names: those of the whole network for
            `network.weights`, else of the backbone.

    Raises:
        TrainingError: Data or weights are missing or not valid.
        ResultsError: PoseTrack's annotations are missing or not valid.
    """
    skeleton = find_skeleton(recipe)
    upper_body = tuple(i for i, name in enumerate(skeleton.names) if not name.endswith(_LEGS))
    parts, sets = read_training_samples(recipe, skeleton, run.data_folder), list_training_sets(recipe)
    samples, counts = join_samples(parts), [len(part) for part in parts]
    network = make_network(recipe.network, skeleton.num_keypoints)
    if recipe.network.weights:
        load_whole(network, run.weights or run.data_folder / recipe.network.weights)
    elif run.weights is not None or recipe.network.body:
        load_body(network, run.weights or run.data_folder / recipe.network.body)
    body = freeze_movenet(network, stages=recipe.network.frozen_stages)

    stored = store_images(recipe, samples, run.world.device)

    def make_stage(config: StageConfig) -> TrainingStage:
        sized = choose_size(recipe, config)
        people = make_dataset(sized, samples, skeleton.flip_index, upper_body)
        dataset: Dataset[Any] = people if stored is None else PlannedCrops(people)
        return TrainingStage(
            config,
            draw_samples(dataset, counts, sets, recipe.loop.seed),
            make_pose_losses(make_coding(sized), recipe.crop.loss),
            None if stored is None else CropDrawer(stored, sized.size_wh),
        )

    whole = make_stage(make_single_stage(recipe.loop))
    stages = tuple(make_stage(config) for config in recipe.stage)
    return Task(
        network,
        whole.dataset,
        count_draws(counts, sets),
        whole.compute_losses,
        body=body,
        stages=stages,
        prepare=whole.prepare,
    )


def store_images(recipe: Any, samples: PoseSamples, device: torch.device) -> StoredImages | None:
    """Decode the images of all people into the memory of a device, if the recipe says so.

    Raises:
        TrainingError: They do not fit, or one cannot be read.
    """
    if recipe.loop.data != "device":
        return None
    return StoredImages(samples.images, np.unique(samples.image_index).tolist(), device)
