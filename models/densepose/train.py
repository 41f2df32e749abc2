"""Training of the DensePose family: the data set of a recipe, and the weights that it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.backbones.imagenet import IMAGENET_STD_RGB
from models.data.instances import InstanceSamples, keep_peopled
from models.densepose.dataset import SurfaceDataset, read_surface_samples
from models.densepose.network import DensePoseRCNN
from models.densepose.parts import NUM_MASKS
from models.densepose.recipe import DensePoseData, DensePoseRecipe
from models.densepose.symmetry import choose_symmetry
from models.densepose.variants import NETWORKS
from models.detection.start import load_start
from models.training.draws import TrainingSet, list_training_sets

_DENSE_PARTS = ("roi_heads.maps.", "roi_heads.dense_head.", "roi_heads.dense_predictor.")
_BODY = ("backbone.body.",)
_DETECTOR = ("backbone.", "rpn.", "roi_heads.box_")
_BOX_LAYER = "roi_heads.box_predictor.bbox_pred."
_BOX_NUMBERS = 4


def read_training_samples(
    recipe: DensePoseRecipe, folder: Path, keypoint_names: Sequence[str] = ()
) -> list[InstanceSamples]:
    """Read the people of each training set, and check their images.

    Args:
        recipe: The recipe.
        folder: What its paths are relative to.
        keypoint_names: Names of the keypoints of people, for the loss of limbs.

    Raises:
        DataError: Annotations are missing or not valid.
    """
    names = keypoint_names if recipe.losses.limb_weight else ()
    sets = list_training_sets(recipe)
    return read_sets(recipe.data, sets, folder, names, keeps_outlines=recipe.augment.rotation_deg > 0)


def read_sets(
    data: DensePoseData,
    sets: Sequence[TrainingSet],
    folder: Path,
    limb_names: Sequence[str],
    *,
    keeps_outlines: bool = False,
) -> list[InstanceSamples]:
    """Read the people of training sets, and check their images.

    Args:
        data: Which people are wanted.
        sets: The files.
        folder: What their paths are relative to.
        limb_names: As for `read_surface_samples`, like the next one.
        keeps_outlines: Likewise.

    Raises:
        DataError: Annotations are missing or not valid.
    """
    parts = [
        read_surface_samples(
            folder / each.train,
            folder / each.train_images,
            min_box_score=data.min_box_score,
            keeps_outlines=keeps_outlines,
            limb_names=limb_names,
        )
        for each in sets
    ]
    kept = [keep_peopled(part) for part in parts] if data.is_peopled_only else parts
    return [part.check_images(str(folder / each.train)) for part, each in zip(kept, sets, strict=True)]


def make_dataset(recipe: DensePoseRecipe, samples: InstanceSamples, folder: Path) -> SurfaceDataset:
    """Make the training set of a recipe, with its augmentation.

    Args:
        recipe: The recipe.
        samples: The people.
        folder: What the recipe's paths are relative to.

    Raises:
        DataError: The table of coordinates is missing or not valid.
    """
    return SurfaceDataset(
        samples,
        canvas=recipe.canvas.make_canvas(),
        augment=recipe.augment,
        symmetry=choose_symmetry(recipe.data.symmetry, folder),
        has_parts=NETWORKS[recipe.network.name].num_coarse == NUM_MASKS + 1,
        seed=recipe.loop.seed,
    )


def load_densepose_start(network: DensePoseRCNN, path: Path) -> tuple[str, ...]:
    """Load pretrained weights into a network, or into its body; see `models.detection.start.load_start`.

    A file of the whole network may be that of a person detector of the R-CNN family with the same body, pyramid
    and box head; the dense head then keeps its initial weights.

    ImageNet's networks of torchvision take normalised RGB; the first convolution of a body that takes BGR in
    0..255 is converted, which changes no number after it.

    Returns:
        What the names of the parameters begin with that may learn at a lower rate: those of the body, or of the
        whole detector.

    Raises:
        TrainingError: They are missing, unreadable, or of another network.
    """
    is_whole = load_start(network, path, _DENSE_PARTS, _take_person_rows)
    if network.config.pixels == "bgr" and not is_whole:
        stem = network.backbone.body.conv1
        deviations = 255 * torch.tensor(IMAGENET_STD_RGB)[:, None, None]
        with torch.no_grad():
            stem.weight.copy_((stem.weight / deviations).flip(1))
    return _DETECTOR if is_whole else _BODY


def _take_person_rows(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of torchvision's box layer, which has a box for the background too, take the person's rows."""
    return {
        name: value[_BOX_NUMBERS:] if name.startswith(_BOX_LAYER) and len(value) == 2 * _BOX_NUMBERS else value
        for name, value in state.items()
    }
