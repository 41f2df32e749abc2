"""Training of image classification: loss and accuracy.

Source: Sun et al., CVPR 2019, appendix, "Results on the ImageNet Validation Set".
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn

from models.backbones.imagenet import normalize_images
from models.data.classification import ClassDataset, count_top
from models.training.workers import read_batches, read_in_order

TOPS = (1, 5)
"""An image counts as correct if its class is among this many most likely ones."""


def compute_class_losses(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute the loss of one batch of `ClassDataset`.

    Args:
        network: Maps normalised images to logits.
        batch: `image` (B, 3, H, W) uint8 and `label` (B,).

    Returns:
        `cross_entropy`: the mean over the batch.
    """
    logits = network(_to_input(batch["image"]))
    return {"cross_entropy": F.cross_entropy(logits.float(), batch["label"])}


@torch.no_grad()
def measure_accuracy(
    network: nn.Module,
    dataset: ClassDataset,
    *,
    batch_size: int = 64,
    num_workers: int = 0,
    precision: str = "f32",
) -> dict[str, float]:
    """Compute the accuracy of a network.

    Args:
        network: The network, in evaluation mode.
        dataset: A data set of centre crops; at least one image.
        batch_size: Images per call of the network.
        num_workers: Number of data loading processes.
        precision: `f32`, or `bf16` for autocast.

    Returns:
        `top1` and `top5`, 0 to 1.
    """
    device = next(network.parameters()).device
    right = dict.fromkeys(TOPS, 0)
    loader = read_in_order(dataset, len(dataset), batch_size=batch_size, num_workers=num_workers)
    for batch in read_batches(loader):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = network(_to_input(batch["image"].to(device)))
        labels = batch["label"].to(device)
        for top in TOPS:
            right[top] += count_top(logits.float(), labels, top)
    return {f"top{top}": count / len(dataset) for top, count in right.items()}


def _to_input(images: Tensor) -> Tensor:
    """Prepare (B, 3, H, W) uint8 for the network, in channels-last memory like the crops of poses."""
    return normalize_images(images.contiguous(memory_format=torch.channels_last))
