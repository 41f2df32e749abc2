"""Training of the DensePose family: the data set of a recipe, and the weights that it starts from."""

from __future__ import annotations

from pathlib import Path

import torch

from models.backbones.imagenet import IMAGENET_STD_RGB
from models.data.instances import InstanceSamples, join_instances, keep_peopled
from models.densepose.dataset import SurfaceDataset, read_surface_samples
from models.densepose.network import DensePoseRCNN
from models.densepose.parts import NUM_MASKS
from models.densepose.recipe import DensePoseRecipe
from models.densepose.symmetry import read_symmetry
from models.densepose.variants import NETWORKS
from models.detection.start import load_start


def read_training_samples(recipe: DensePoseRecipe, folder: Path) -> InstanceSamples:
    """Read the people to train on.

    Args:
        recipe: The recipe.
        folder: What its paths are relative to.

    Raises:
        DataError: Annotations are missing or not valid.
    """
    data = recipe.data
    files = [(data.train, data.train_images)]
    if data.more_train:
        files.append((data.more_train, data.more_train_images))
    parts = [
        read_surface_samples(
            folder / path,
            folder / images,
            min_box_score=data.min_box_score,
            keeps_outlines=recipe.augment.rotation_deg > 0,
        )
        for path, images in files
    ]
    samples = parts[0] if len(parts) == 1 else join_instances(*parts)
    return keep_peopled(samples) if data.is_peopled_only else samples


def make_dataset(recipe: DensePoseRecipe, samples: InstanceSamples, folder: Path) -> SurfaceDataset:
    """Make the training set of a recipe, with its augmentation.

    Args:
        recipe: The recipe.
        samples: The people.
        folder: What the recipe's paths are relative to.

    Raises:
        DataError: The table of coordinates is missing or not valid.
    """
    symmetry = recipe.data.symmetry
    return SurfaceDataset(
        samples,
        canvas=recipe.canvas.make_canvas(),
        augment=recipe.augment,
        symmetry=read_symmetry(folder / symmetry) if symmetry else None,
        has_parts=NETWORKS[recipe.network.name].num_coarse == NUM_MASKS + 1,
        seed=recipe.loop.seed,
    )


def load_densepose_start(network: DensePoseRCNN, path: Path) -> None:
    """Load pretrained weights into a network, or into its body; see `models.detection.start.load_start`.

    ImageNet's networks of torchvision take normalised RGB; the first convolution of a body that takes BGR in
    0..255 is converted, which changes no number after it.

    Raises:
        TrainingError: They are missing, unreadable, or of another network.
    """
    is_whole = load_start(network, path)
    if network.config.pixels == "bgr" and not is_whole:
        stem = network.backbone.body.conv1
        deviations = 255 * torch.tensor(IMAGENET_STD_RGB)[:, None, None]
        with torch.no_grad():
            stem.weight.copy_((stem.weight / deviations).flip(1))
