"""Affine crops cut on the device, as `models.data.crop.crop_image` cuts them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor

from models.data.crop import DoubleArray, invert_matrices
from posetrack.predictors.device_images import UploadedImages


@torch.inference_mode()
def warp_crops(uploaded: UploadedImages, matrices: Sequence[DoubleArray], size_wh: tuple[int, int]) -> Tensor:
    """Cut regions out of images, linear between pixels, black outside.

    Within 2 grey levels of OpenCV, which places samples on 1/32 of a pixel.

    Args:
        uploaded: The images, of any sizes.
        matrices: For each image the maps (N, 2, 3) from it to its crops.
        size_wh: Width and height of the crops in pixels.

    Returns:
        (B, 3, height, width) uint8, channels last in memory: all crops of the first image, then those of the
        second and so on.
    """
    device = uploaded.pixels.device
    width, height = size_wh
    crops = [torch.zeros(0, 3, height, width, dtype=torch.uint8, device=device)]
    first = 0
    for (image_w, image_h), maps in zip(uploaded.sizes_wh, matrices, strict=True):
        pixels = uploaded.pixels[first : first + image_w * image_h]
        first += image_w * image_h
        if not len(maps):
            continue
        image = pixels.view(1, image_h, image_w, 3).permute(0, 3, 1, 2).float()
        # `grid_sample` counts from -1 to 1 between the outer edges of the outer pixels.
        to_grid = np.array([[2 / image_w, 0, 1 / image_w - 1], [0, 2 / image_h, 1 / image_h - 1], [0, 0, 1]])
        inverse = np.concatenate([invert_matrices(maps), np.tile([[[0.0, 0, 1]]], (len(maps), 1, 1))], axis=1)
        # ... and `affine_grid` likewise over the crop.
        from_grid = np.array([[width / 2, 0, (width - 1) / 2], [0, height / 2, (height - 1) / 2], [0, 0, 1]])
        theta = torch.from_numpy((to_grid @ inverse @ from_grid)[:, :2].astype(np.float32)).to(device)
        grid = F.affine_grid(theta, [len(maps), 3, height, width], align_corners=False)
        # A view of one image for all its crops: nothing is copied.
        sampled = F.grid_sample(image.expand(len(maps), -1, -1, -1), grid, align_corners=False)
        crops.append(sampled.round_().to(torch.uint8))
    return torch.cat(crops).contiguous(memory_format=torch.channels_last)
