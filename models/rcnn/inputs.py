"""What every network of the R-CNN family does first with its images."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from models.backbones.imagenet import normalize_images


def normalize_bytes(images: Tensor) -> Tensor:
    """Normalise (B, 3, H, W) uint8 RGB as ImageNet's networks take it; floats are normalised already."""
    return images if images.is_floating_point() else normalize_images(images)


def list_sizes_hw(shape: Sequence[int], sizes_wh: Sequence[tuple[int, int]] | None) -> list[tuple[int, int]]:
    """List height and width of each image of a batch.

    Args:
        shape: Of the batch, (B, C, H, W).
        sizes_wh: Width and height of each image within it; without, all of it.

    Raises:
        ValueError: There are not as many sizes as images.
    """
    B, _, H, W = shape
    if sizes_wh is None:
        return [(H, W)] * B
    if len(sizes_wh) != B:
        raise ValueError(f"sizes_wh: {len(sizes_wh)} sizes for {B} images")
    return [(height, width) for width, height in sizes_wh]
