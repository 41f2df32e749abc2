"""Training of bottom-up pose networks: network, data and losses of a recipe."""

from __future__ import annotations

from models.data.people_crops import join_image_samples, read_image_samples
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
    skeleton = find_skeleton(recipe.data.skeleton)
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
    whole = make_dataset(recipe, join_image_samples(parts), skeleton.flip_index)
    counts = [len(part) for part in parts]
    dataset = draw_samples(whole, counts, sets, recipe.loop.seed)
    losses = make_bottom_up_losses(recipe.target, recipe.loss)
    return Task(network, dataset, count_draws(counts, sets), losses, body=body)
