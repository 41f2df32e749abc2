"""Training of classification networks: network, data and losses of a recipe, and the evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from models.data.classification import ClassDataset
from models.data.image_files import ImageFile, check_images
from models.hrnet.classification_recipe import ClassRecipe, make_class_network
from models.hrnet.classification_train import compute_class_losses, measure_accuracy
from models.hrnet.start import load_whole
from models.training.errors import DataError
from models.training.task import Evaluate, Task
from posetrack.training.run import TrainingRun


def make_classification_task(recipe: ClassRecipe, run: TrainingRun) -> Task:
    """Make network, data set and losses of a classification recipe.

    Args:
        recipe: The recipe.
        run: The run; its weights are those of the whole network.

    Raises:
        TrainingError: Images or weights are missing or not valid.
    """
    dataset = _read_training_images(recipe, run)
    network = make_class_network(recipe.network.name, len(dataset.classes))
    if run.weights is not None or recipe.network.weights:
        load_whole(network, run.weights or run.data_folder / recipe.network.weights)
    return Task(network, dataset, len(dataset), compute_class_losses)


def make_classification_evaluation(recipe: ClassRecipe, run: TrainingRun) -> Evaluate:
    """Make the function that computes the top-1 and top-5 accuracy on the recipe's dev images.

    Raises:
        TrainingError: Images are missing, or their classes are not those of training.
    """
    classes = _read_training_images(recipe, run).classes
    folder = run.data_folder / recipe.data.dev
    dataset = ClassDataset(folder, recipe.crop, is_training=False)
    if dataset.classes != classes:
        odd = sorted(set(dataset.classes) ^ set(classes))
        raise DataError(f"{folder}: its classes are not those of training: {', '.join(odd[:3])}")
    check_images([ImageFile(path) for path in dataset.image_paths], str(folder))

    def evaluate(network: nn.Module, epoch: int) -> Mapping[str, float | None]:
        return measure_accuracy(
            network,
            dataset,
            num_workers=recipe.loop.num_workers if len(dataset) > 64 else 0,
            precision=recipe.loop.precision,
        )

    return evaluate


def _read_training_images(recipe: ClassRecipe, run: TrainingRun) -> ClassDataset:
    folder = run.data_folder / recipe.data.train
    return ClassDataset(folder, recipe.crop, is_training=True, seed=recipe.loop.seed)
