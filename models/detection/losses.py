"""Losses of the box head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torchvision.models.detection.roi_heads import fastrcnn_loss


def compute_box_losses(
    logits: Tensor, deltas: Tensor, labels: Sequence[Tensor], wanted: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Cross-entropy of the classes, and smooth L1 of the box deltas of the true class.

    Args:
        logits: (N, classes), of the regions of all images.
        deltas: (N, 4 classes).
        labels: For each image (n,); 0 is the background.
        wanted: For each image the true deltas (n, 4).

    Returns:
        `person` and `box`, scalars, means over all regions.
    """
    person, box = fastrcnn_loss(logits, deltas, list(labels), list(wanted))
    return {"person": person, "box": box}
