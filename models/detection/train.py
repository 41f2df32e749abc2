"""The losses of a batch in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from models.training.convolutions import reliable_convolutions
from models.training.task import ComputeLosses


def make_detection_losses(frozen: tuple[nn.Module, ...] = ()) -> ComputeLosses:
    """Make the function that computes the losses of a batch of `models.detection.dataset.collate_samples`.

    Args:
        frozen: Batch norms that keep their statistics, as `models.training.freeze.freeze_body` gives them.

    Returns:
        A function from network and batch to the losses by name.
    """

    def compute_losses(network: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        # The loop puts the whole network into training mode after each evaluation.
        for part in frozen:
            part.eval()
        images = batch["image"].permute(0, 3, 1, 2)
        with reliable_convolutions(images.device):
            losses: dict[str, Tensor] = network(images, batch["targets"])
        return losses

    return compute_losses
