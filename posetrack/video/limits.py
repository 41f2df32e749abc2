"""The bound of the size of images, which is checked before they are decoded."""

from __future__ import annotations

from models.image_size import MAX_PIXELS
from posetrack.errors import VideoError

__all__ = ["MAX_PIXELS", "check_max_pixels", "check_pixels"]

_MOST_PIXELS = 2**30
"""What OpenCV reads at most."""


def check_max_pixels(max_pixels: int) -> int:
    """Check a bound itself.

    Raises:
        VideoError: It is not in the range that can be read.
    """
    if not 1 <= max_pixels <= _MOST_PIXELS:
        raise VideoError(f"max_pixels {max_pixels}: expected 1 to {_MOST_PIXELS:,} pixels of an image")
    return max_pixels


def check_pixels(where: str, size_wh: tuple[int, int], max_pixels: int) -> None:
    """Check the size of an image.

    Args:
        where: The source or file.
        size_wh: Width and height in pixels.
        max_pixels: The most pixels that are allowed.

    Raises:
        VideoError: It has more.
    """
    width, height = size_wh
    if width * height > max_pixels:
        raise VideoError(
            f"{where}: {width}x{height} is {width * height:,} pixels, above the limit of {max_pixels:,}; "
            "scale it down, or raise the limit with --max-pixels (max_pixels)"
        )


def bound_decoders(max_pixels: int) -> dict[str, str]:
    """Options of FFmpeg with which its decoders refuse larger images before they take memory for them.

    Args:
        max_pixels: The most pixels that are allowed. Decoders count some more: sides are multiples of 16 or 32.
    """
    return {"max_pixels": str(max_pixels + max_pixels // 16 + 2**20)}
