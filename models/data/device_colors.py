"""The augmentation of `models.data.colors` for a batch, on its device."""

from __future__ import annotations

import torch
from torch import Tensor

# OpenCV's hue of 8 bits has steps of two degrees: 30 in each sixth of the circle.
_HUES, _SIXTH = 180, 30
# OpenCV's weights of red, green and blue in grey, in units of 2^-15.
_GREY, _GREY_BITS = (9798, 19235, 3735), 15


def grey_images(images: Tensor, is_grey: Tensor) -> Tensor:
    """Convert some images of a batch to grey.

    Args:
        images: (B, H, W, 3) uint8 RGB.
        is_grey: (B,) bool.

    Returns:
        (B, H, W, 3) uint8.
    """
    red, green, blue = (images[..., i].int() * weight for i, weight in enumerate(_GREY))
    grey = (red + green + blue + (1 << (_GREY_BITS - 1))) >> _GREY_BITS
    return torch.where(is_grey[:, None, None, None], grey.to(torch.uint8)[..., None], images)


def look_up_colors(images: Tensor, tables: Tensor) -> Tensor:
    """Change hue, saturation and value of each image of a batch by its table.

    Args:
        images: (B, H, W, 3) uint8 RGB.
        tables: (B, 256, 3) uint8: the new hue, saturation and value for each old one, in OpenCV's 8 bits.

    Returns:
        (B, H, W, 3) uint8 RGB.
    """
    hsv = convert_to_hsv(images).flatten(1, 2).long()
    return convert_to_rgb(tables.gather(1, hsv).view_as(images))


def convert_to_hsv(images: Tensor) -> Tensor:
    """Convert (..., 3) uint8 RGB to OpenCV's HSV of 8 bits, the hue below 180."""
    red, green, blue = images.float().unbind(dim=-1)
    value = torch.maximum(torch.maximum(red, green), blue)
    span = value - torch.minimum(torch.minimum(red, green), blue)
    turned = torch.where(value == green, blue - red + 2 * span, red - green + 4 * span)
    turned = torch.where(value == red, green - blue, turned)
    hue = (turned * _SIXTH / span.clamp(min=1) + 0.5).floor()
    hue = torch.where(hue < 0, hue + _HUES, hue)
    saturation = (255 * span / value.clamp(min=1) + 0.5).floor()
    return torch.stack([hue, saturation, value], dim=-1).to(torch.uint8)


def convert_to_rgb(images: Tensor) -> Tensor:
    """Convert (..., 3) uint8 of OpenCV's HSV to RGB."""
    hue, saturation, value = images.float().unbind(dim=-1)
    sixth, saturation = hue / _SIXTH, saturation / 255
    channels = []
    # Each channel falls from its value and rises again with the hue's distance from it.
    for offset in (5, 3, 1):
        distance = (offset + sixth) % 6
        fall = torch.minimum(distance, 4 - distance).clamp(0, 1)
        channels.append(value * (1 - saturation * fall))
    return torch.stack(channels, dim=-1).round().to(torch.uint8)


def fill_rectangles(images: Tensor, rectangles_xyxy: Tensor, colors: Tensor) -> Tensor:
    """Fill a rectangle of each image of a batch.

    Args:
        images: (B, H, W, 3) uint8.
        rectangles_xyxy: (B, 4) int64; empty for none.
        colors: (B, 3) uint8.

    Returns:
        (B, H, W, 3) uint8.
    """
    left, top, right, bottom = rectangles_xyxy[:, :, None].unbind(dim=1)
    x = torch.arange(images.shape[2], device=images.device)
    y = torch.arange(images.shape[1], device=images.device)
    columns, rows = (x >= left) & (x < right), (y >= top) & (y < bottom)
    is_filled = rows[:, :, None] & columns[:, None, :]
    return torch.where(is_filled[..., None], colors[:, None, None], images)
