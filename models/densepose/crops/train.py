"""Training of dense poses top-down: its data, the weights that it starts from, and the losses of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from models.backbones.imagenet import normalize_images
from models.data.instances import InstanceSamples, select_rows
from models.densepose.crops.codec import place_in_crops
from models.densepose.crops.dataset import DenseCropDataset, keep_surfaces
from models.densepose.crops.network import STRIDE
from models.densepose.crops.recipe import DenseCropRecipe
from models.densepose.losses import DenseLossConfig, compute_limb_loss_at, compute_losses_at
from models.densepose.symmetry import choose_symmetry
from models.densepose.targets import PlacedPoints
from models.densepose.train import read_sets
from models.training import start
from models.training.convolutions import reliable_convolutions
from models.training.draws import list_training_sets
from models.training.errors import DataError
from models.training.task import ComputeLosses

_HEAD = ("dense.",)


def read_people(recipe: DenseCropRecipe, folder: Path, keypoint_names: Sequence[str]) -> list[InstanceSamples]:
    """Read the people of each training set who have something to learn, and check their images.

    Args:
        recipe: The recipe.
        folder: What its paths are relative to.
        keypoint_names: Names of the keypoints of people, for the loss of limbs.

    Raises:
        DataError: Annotations are missing or not valid, or nobody in them has dense annotations.
    """
    sets = list_training_sets(recipe)
    names = keypoint_names if recipe.losses.limb_weight else ()
    parts = [keep_surfaces(part) for part in read_sets(recipe.data, sets, folder, names)]
    kept = [select_rows(part, _find_heights(part) >= recipe.data.min_height_px) for part in parts]
    for part, each in zip(kept, sets, strict=True):
        if not len(part):
            limbs = " and no keypoints of limbs" if names else ""
            raise DataError(
                f"{folder / each.train}: nobody has dense annotations{limbs}; give other annotations"
            )
    return kept


def _find_heights(samples: InstanceSamples) -> np.ndarray:
    return np.asarray(samples.boxes_xyxy[:, 3] - samples.boxes_xyxy[:, 1])


def make_dataset(recipe: DenseCropRecipe, samples: InstanceSamples, folder: Path) -> DenseCropDataset:
    """Make the data set of a recipe, augmented for training.

    Args:
        recipe: The recipe.
        samples: The people.
        folder: What the recipe's paths are relative to.

    Raises:
        DataError: The table of coordinates is missing or not valid.
    """
    return DenseCropDataset(
        samples,
        size_wh=recipe.size_wh,
        padding=recipe.crop.padding,
        augment=recipe.augment,
        symmetry=choose_symmetry(recipe.data.symmetry, folder),
        seed=recipe.loop.seed,
    )


def load_body(network: nn.Module, path: Path) -> None:
    """Load the pretrained weights of all but the dense head; see `models.training.start.load_body`."""
    start.load_body(network, path, heads=_HEAD)


def make_dense_crop_losses(config: DenseLossConfig) -> ComputeLosses:
    """The losses of one batch of `DenseCropDataset`.

    Returns:
        A function from network and batch to the losses by name: `coarse`, `fine`, `u` and `v` of people with
        dense annotations, and `limbs` of those whose limbs alone are known, if these are learned.
    """

    def compute_losses(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        images = batch["image"]
        with reliable_convolutions(images.device):
            outputs = network(normalize_images(images.permute(0, 3, 1, 2)))
        cells = images.shape[1] // STRIDE, images.shape[2] // STRIDE
        with_limbs = batch["has_limbs_alone"]
        dense = {name: output[~with_limbs] for name, output in outputs.items()}
        has_labels = bool(batch["has_labels"][~with_limbs].all())
        labels = batch["labels"][~with_limbs].long() if has_labels else None
        points = _place_points(batch, ~with_limbs, cells)
        losses = compute_losses_at(dense, points, labels, config)
        if not config.limb_weight:
            return losses
        alone = {name: outputs[name][with_limbs] for name in ("coarse", "fine")}
        points = _place_points(batch, with_limbs, cells)
        return losses | {"limbs": compute_limb_loss_at(alone, points, config.limb_weight)}

    return compute_losses


def _place_points(batch: Mapping[str, Tensor], rows: Tensor, cells_hw: tuple[int, int]) -> PlacedPoints:
    """Place the points of some people of a batch, a mask (B,), on the cells of their outputs."""
    return place_in_crops(
        batch["points_xy"][rows],
        batch["is_given"][rows],
        batch["charts"][rows],
        batch["coordinates_uv"][rows],
        cells_hw,
    )
