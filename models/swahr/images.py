"""Whole images as the network's input, and points of maps back in the image.

The sizes are those of HigherHRNet's public code: the shorter side becomes the input size, both sides multiples
of 64, the image keeps its proportions and is centred.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.data.crop import DoubleArray, invert_matrices, make_crop_matrices, transform_points
from models.data.samples import FloatArray

_MULTIPLE_PX = 64


@dataclass(frozen=True, eq=False)
class ImageView:
    """An image at one scale.

    Attributes:
        scale: Of the input size.
        size_wh: Width and height of the network's input.
        matrix: (2, 3), image to input, for `models.data.crop.crop_image`.
    """

    scale: float
    size_wh: tuple[int, int]
    matrix: DoubleArray


def plan_views(
    image_wh: tuple[int, int], input_px: int, scales: tuple[float, ...] = (1.0,)
) -> tuple[ImageView, ...]:
    """Plan the network's inputs of an image, one for each scale.

    Args:
        image_wh: Width and height of the image.
        input_px: Length of the shorter side at scale 1.
        scales: One or more.

    Returns:
        A view for each scale, from large to small.
    """
    views = []
    for scale in sorted(scales, reverse=True):
        size_wh = compute_view_size(image_wh, input_px, scale, min(scales))
        views.append(ImageView(scale, size_wh, _make_matrix(image_wh, size_wh)))
    return tuple(views)


def compute_view_size(
    image_wh: tuple[int, int], input_px: int, scale: float = 1.0, smallest_scale: float = 1.0
) -> tuple[int, int]:
    """Compute the size of the network's input: multiples of 64 at the smallest scale, and enlarged from there.

    Args:
        image_wh: Width and height of the image.
        input_px: Length of the shorter side at scale 1.
        scale: Of this input.
        smallest_scale: Of all inputs of the image.

    Returns:
        Width and height in pixels.
    """
    w, h = image_wh
    least = int((smallest_scale * input_px + _MULTIPLE_PX - 1) // _MULTIPLE_PX * _MULTIPLE_PX)
    longer = int((least / min(w, h) * max(w, h) + _MULTIPLE_PX - 1) // _MULTIPLE_PX * _MULTIPLE_PX)
    sides = int(least * scale / smallest_scale), int(longer * scale / smallest_scale)
    return sides if w < h else (sides[1], sides[0])


def map_to_image(points_xy: FloatArray, map_wh: tuple[int, int], image_wh: tuple[int, int]) -> FloatArray:
    """Map decoded keypoints to the image.

    Args:
        points_xy: (N, K, 2) in cells of a map.
        map_wh: Width and height of the map.
        image_wh: Width and height of the image.

    Returns:
        (N, K, 2), pixels.
    """
    inverse = invert_matrices(_make_matrix(image_wh, map_wh)[None])
    return transform_points(points_xy, inverse.repeat(len(points_xy), axis=0))


def _make_matrix(image_wh: tuple[int, int], size_wh: tuple[int, int]) -> DoubleArray:
    """Image to input or map, (2, 3): the shorter side fills its side; centres lie on one another."""
    w, h = image_wh
    centre = (int(w / 2 + 0.5), int(h / 2 + 0.5))
    shown_px = w if w < h else h * size_wh[0] / size_wh[1]
    matrix: DoubleArray = make_crop_matrices([centre], [shown_px], size_wh)[0]
    return matrix
