"""Training of the R-CNN family: the data set of a recipe, and the losses of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from models.backbones.imagenet import normalize_images
from models.data.instances import InstanceSamples
from models.rcnn.dataset import DetectionDataset
from models.rcnn.recipe import DetectionRecipe
from models.rcnn.variants import NETWORKS
from models.training.depthwise import fast_depthwise
from models.training.loop import ComputeLosses


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


def make_detection_losses(frozen: tuple[nn.Module, ...] = ()) -> ComputeLosses:
    """Make the function that computes the losses of a batch of `models.rcnn.dataset.collate_samples`.

    Args:
        frozen: Batch norms that keep their statistics, as `models.training.freeze.freeze_body` gives them.

    Returns:
        A function from network and batch to the losses by name.
    """

    def compute_losses(network: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        # The loop puts the whole network into training mode after each evaluation.
        for part in frozen:
            part.eval()
        images = _to_input(batch["image"])
        with fast_depthwise(images.device):
            losses: dict[str, Tensor] = network(images, batch["targets"])
        return losses

    return compute_losses


def _to_input(images: Tensor) -> Tensor:
    """Normalise (B, H, W, 3) uint8 to (B, 3, H, W), which stays channels last in memory."""
    return normalize_images(images.permute(0, 3, 1, 2))
