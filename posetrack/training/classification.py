"""Training of classification: its data, its start, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from models.data.classification import ClassDataset
from models.hrnet.classification_recipe import ClassRecipe, make_class_network
from models.hrnet.classification_train import compute_class_losses, measure_accuracy
from models.hrnet.start import load_whole
from models.training.errors import DataError
from models.training.loop import Evaluate, Task, Trainer
from posetrack.training.run import TrainingRun, make_trainer


def make_classification_trainer(recipe: ClassRecipe, run: TrainingRun) -> Trainer:
    """Everything that a recipe of classification says, ready to run.

    Args:
        recipe: What to train.
        run: Where, and who takes part; its weights are the whole network's.

    Raises:
        TrainingError: Images or weights are missing or not what they should be.
    """
    data_folder = run.data_folder
    run.check_data_folder()
    dataset = ClassDataset(
        data_folder / recipe.data.train, recipe.crop, is_training=True, seed=recipe.loop.seed
    )
    torch.manual_seed(recipe.loop.seed)
    network = make_class_network(recipe.network.name, len(dataset.classes))
    if run.weights is not None or recipe.network.weights:
        load_whole(network, run.weights or data_folder / recipe.network.weights)
    evaluate: Evaluate | None = None
    if recipe.data.dev and recipe.loop.evaluate_every_epochs:
        evaluate = _make_evaluation(recipe, run, dataset.classes)
    task = Task(network, dataset, len(dataset), compute_class_losses, evaluate, run.recipe_text)
    return make_trainer(task, recipe, run)


def _make_evaluation(recipe: ClassRecipe, run: TrainingRun, classes: list[str]) -> Evaluate:
    """A function that gives the network's top-1 and top-5 accuracy on the recipe's dev images."""
    folder = run.data_folder / recipe.data.dev
    dataset = ClassDataset(folder, recipe.crop, is_training=False)
    if dataset.classes != classes:
        odd = sorted(set(dataset.classes) ^ set(classes))
        raise DataError(f"{folder}: its classes are not those of training: {', '.join(odd[:3])}")

    def evaluate(network: nn.Module, epoch: int) -> Mapping[str, float | None]:
        return measure_accuracy(
            network,
            dataset,
            num_workers=recipe.loop.num_workers if len(dataset) > 64 else 0,
            precision=recipe.loop.precision,
        )

    return evaluate
