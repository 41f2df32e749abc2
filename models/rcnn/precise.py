"""Boxes in float32, whatever the network computes in.

torchvision computes boxes in the maps' type. bfloat16 has steps of 2 px from 256 px on and of 8 px from 1024 px
on, more than a small person's box may be off.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator


def promote(values: Tensor) -> Tensor:
    """Convert to float32 what is less precise."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class PreciseAnchors(AnchorGenerator):  # type: ignore[misc]
    """torchvision's anchors, in float32 at least; proposals and the second stage's targets follow them."""

    def set_cell_anchors(self, dtype: torch.dtype, device: torch.device) -> None:
        """Take the anchors of one cell to the maps' device, but not to a less precise type."""
        super().set_cell_anchors(torch.promote_types(dtype, torch.float32), device)


class PreciseBoxCoder(BoxCoder):  # type: ignore[misc]
    """torchvision's coder of boxes, which decodes in float32 at least."""

    def decode(self, rel_codes: Tensor, boxes: list[Tensor]) -> Tensor:
        """Decode deltas (N, 4 classes) of boxes (N, 4) in all to boxes (N, classes, 4)."""
        decoded: Tensor = super().decode(promote(rel_codes), boxes)
        return decoded
