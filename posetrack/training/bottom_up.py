"""Training of bottom-up pose networks: network, data and losses of a recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from models.data.image_files import find_size
from models.data.people_crops import ImageSamples, draw_mask, join_image_samples, read_image_samples
from models.data.stored_images import StoredImages
from models.swahr.device_dataset import CrowdDrawer, PlannedCrowds, collate_crowds
from models.swahr.recipe import BottomUpRecipe, make_network
from models.swahr.train import load_body, make_bottom_up_losses, make_dataset
from models.training.draws import count_draws, draw_samples, list_training_sets
from models.training.freeze import freeze_movenet
from models.training.start import load_whole
from models.training.task import Task
from posetrack.training.run import TrainingRun
from posetrack.training.skeletons import find_skeleton


def make_bottom_up_task(recipe: BottomUpRecipe, run: TrainingRun) -> Task:
    """Make network, data set and losses of a bottom-up recipe.

    Args:
        recipe: The recipe.
        run: The run; its weights replace those that the recipe names: those of the whole network for
            `network.weights`, else of the backbone.

    Raises:
        TrainingError: Data or weights are missing or not valid.
    """
    skeleton = find_skeleton(recipe)
    folder, sets = run.data_folder, list_training_sets(recipe)
    parts = [
        read_image_samples(folder / each.train, folder / each.train_images, skeleton.names).check_images(
            str(folder / each.train)
        )
        for each in sets
    ]
    network = make_network(recipe.network, skeleton.num_keypoints)
    if recipe.network.weights:
        load_whole(network, run.weights or folder / recipe.network.weights)
    elif run.weights is not None or recipe.network.body:
        load_body(network, run.weights or folder / recipe.network.body)
    body = freeze_movenet(network, stages=recipe.network.frozen_stages)
    crowds = make_dataset(recipe, join_image_samples(parts), skeleton.flip_index)
    stored = _store_images(recipe, crowds.samples, run.world.device)
    dataset: Dataset[Any] = crowds if stored is None else PlannedCrowds(crowds, stored.sizes_wh)
    counts = [len(part) for part in parts]
    return Task(
        network,
        draw_samples(dataset, counts, sets, recipe.loop.seed),
        count_draws(counts, sets),
        make_bottom_up_losses(recipe.target, recipe.loss),
        collate=None if stored is None else collate_crowds,
        body=body,
        prepare=None if stored is None else CrowdDrawer(stored, crowds.size_px),
    )


def _store_images(recipe: BottomUpRecipe, samples: ImageSamples, device: torch.device) -> StoredImages | None:
    """Decode images, with the masks of ignored regions, into the memory of a device, if the recipe says so."""
    if recipe.loop.data != "device":
        return None
    files = [replace(file, size_wh=find_size(file)) for file in samples.people.images]

    def draw(i: int) -> npt.NDArray[np.uint8]:
        size_wh = files[i].size_wh
        assert size_wh is not None
        return draw_mask(samples.ignored[i], size_wh)

    return StoredImages(files, range(len(files)), device, draw)
