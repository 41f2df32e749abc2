"""Training of bottom-up pose: its start, its data and the losses of a step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.backbones.imagenet import normalize_images
from models.data.people_crops import ImageSamples
from models.swahr.dataset import CrowdDataset
from models.swahr.losses import SwahrLossConfig, compute_swahr_losses
from models.swahr.recipe import BottomUpRecipe, TargetRecipe
from models.swahr.targets import encode_targets
from models.training import start
from models.training.convolutions import reliable_convolutions
from models.training.task import SplitLosses

# What depends on the keypoints, and what an HRNet of another task does not have.
_HEADS = ("final_layer.", "final_layers.", "deconv_layers.", "conv_scale_layers.", "neck.")


def load_body(network: nn.Module, path: Path) -> None:
    """Fill a network with the weights of another's body.

    An HRNet takes that of ImageNet, top-down or bottom-up pose; one on MoveNet that.

    Raises:
        TrainingError: The file is missing, unreadable, or of another body.
    """
    start.load_body(network, path, heads=_HEADS)


def make_dataset(recipe: BottomUpRecipe, samples: ImageSamples, flip_index: tuple[int, ...]) -> CrowdDataset:
    """The data set of a recipe, augmented for training."""
    return CrowdDataset(
        samples,
        size_px=recipe.target.size_px,
        flip_index=flip_index,
        augment=recipe.augment,
        max_people=recipe.data.max_people,
        seed=recipe.loop.seed,
    )


def make_bottom_up_losses(target: TargetRecipe, loss: SwahrLossConfig) -> SplitLosses:
    """The losses of one batch of `CrowdDataset`.

    Args:
        target: What the network is to answer.
        loss: Which losses.

    Returns:
        A function from network and batch to the losses by name, float32 under autocast too.
    """

    def prepare(batch: Mapping[str, Any]) -> dict[str, Any]:
        images = _to_input(batch["image"])
        # Targets are drawn by matrices of pixels, which bfloat16 cannot count.
        with torch.autocast(images.device.type, enabled=False):
            heatmaps, masks = encode_targets(
                batch,
                unknown_keypoints=target.unknown_keypoints,
                is_sigma_scaled=target.is_sigma_scaled,
                sigma_cells=float(target.sigma_cells),
            )
        tags = {name: batch[name] for name in ("tag_xy", "tag_is_visible")}
        return {"images": images, "heatmaps": heatmaps, "masks": masks, **tags}

    def compute(network: nn.Module, prepared: Mapping[str, Any]) -> dict[str, Tensor]:
        targets = dict(prepared)
        images = targets.pop("images")
        with reliable_convolutions(images.device):
            outputs = network(images)
        with torch.autocast(images.device.type, enabled=False):
            return compute_swahr_losses(outputs, **targets, config=loss)

    return SplitLosses(prepare, compute)


def _to_input(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 as the network takes it, still channels last in memory."""
    return normalize_images(images.permute(0, 3, 1, 2))
