"""Training of bottom-up pose networks: network, data and losses of a recipe."""

from __future__ import annotations

from models.data.people_crops import read_image_samples
from models.swahr.recipe import BottomUpRecipe, make_network
from models.swahr.train import load_body, make_bottom_up_losses, make_dataset
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
    skeleton = find_skeleton(recipe.data.skeleton)
    data, folder = recipe.data, run.data_folder
    samples = read_image_samples(folder / data.train, folder / data.train_images, skeleton.names)
    samples = samples.check_images(str(folder / data.train))
    network = make_network(recipe.network, skeleton.num_keypoints)
    if recipe.network.weights:
        load_whole(network, run.weights or folder / recipe.network.weights)
    elif run.weights is not None or recipe.network.body:
        load_body(network, run.weights or folder / recipe.network.body)
    body = freeze_movenet(network, stages=recipe.network.frozen_stages)
    dataset = make_dataset(recipe, samples, skeleton.flip_index)
    losses = make_bottom_up_losses(recipe.target, recipe.loss)
    return Task(network, dataset, len(samples), losses, body=body)
