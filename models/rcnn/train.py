"""Training of the R-CNN family: the data set of a recipe."""

from __future__ import annotations

from models.data.instances import InstanceSamples
from models.detection.dataset import DetectionDataset
from models.rcnn.recipe import DetectionRecipe
from models.rcnn.variants import NETWORKS


def make_dataset(
    recipe: DetectionRecipe, samples: InstanceSamples, flip_index: tuple[int, ...]
) -> DetectionDataset:
    """Make the training set of a recipe, with its augmentation."""
    return DetectionDataset(
        samples,
        canvas=recipe.canvas.make_canvas(),
        flip_index=flip_index,
        augment=recipe.augment,
        with_masks=NETWORKS[recipe.network.name].has_masks,
        seed=recipe.loop.seed,
    )
