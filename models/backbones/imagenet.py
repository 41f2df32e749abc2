"""ImageNet's normalisation of images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

IMAGENET_MEAN_RGB = (0.485, 0.456, 0.406)
"""Mean of ImageNet's images, in 0..1."""
IMAGENET_STD_RGB = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet's images, in 0..1."""


def normalize_images(images: Tensor) -> Tensor:
    """Normalise images by the mean and standard deviation of ImageNet's images.

    Args:
        images: (B, 3, H, W) RGB in 0..255, any dtype.

    Returns:
        (B, 3, H, W), float32 unless the images have another floating-point type.
    """
    dtype = images.dtype if images.dtype.is_floating_point else torch.float32
    # Made on the CPU and copied asynchronously: making a tensor on a GPU from Python numbers blocks the host.
    mean, std = (
        torch.tensor(values, dtype=dtype)[:, None, None].to(images.device, non_blocking=True)
        for values in (IMAGENET_MEAN_RGB, IMAGENET_STD_RGB)
    )
    return (images.to(dtype) / 255 - mean) / std


class ImageNetwork(nn.Module):
    """A network with the normalisation included, for engines.

    Args:
        network: A network that takes normalised images.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        """Run the network on (B, 3, H, W) RGB in 0..255."""
        return self.network(normalize_images(images))
