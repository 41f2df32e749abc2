"""Conversion of RGB images to the frames that the H.264 encoder takes."""

from __future__ import annotations

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from posetrack.frame import ImageArray

# Colour tags of the converted pixels; the numbers are those of H.273.
BT709 = 1
LIMITED_RANGE = 1


def even_size(width: int, height: int) -> tuple[int, int]:
    """The encoded size of an image in pixels: yuv420p needs even sides."""
    return width + width % 2, height + height % 2


def fit_image(image: ImageArray, size_wh: tuple[int, int]) -> ImageArray:
    """Fit an image to the size of a video.

    An image that is one pixel short gets its last row or column repeated; one of another size is scaled and
    centred on black, with alpha on nothing.

    Args:
        image: (H, W, 3) or (H, W, 4) uint8.
        size_wh: Width and height of the video, in pixels.

    Returns:
        (height, width, 3) or (height, width, 4) uint8, contiguous.
    """
    height, width = image.shape[:2]
    if size_wh in ((width, height), even_size(width, height)):
        return _pad(image, right=size_wh[0] - width, bottom=size_wh[1] - height)
    scale = min(size_wh[0] / width, size_wh[1] / height)
    new_wh = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((size_wh[1], size_wh[0], image.shape[2]), np.uint8)
    left, top = (size_wh[0] - new_wh[0]) // 2, (size_wh[1] - new_wh[1]) // 2
    canvas[top : top + new_wh[1], left : left + new_wh[0]] = cv2.resize(image, new_wh, interpolation=how)
    return canvas


class Yuv420pConverter:
    """Converts images to BT.709 in limited range; reuses swscale's tables between images.

    By swscale: OpenCV's conversion takes a tenth of the time (0.3 against 3 ms for 1920x1080) but knows
    BT.601 only, which players do not expect of HD video.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, image: ImageArray) -> av.VideoFrame:
        """Convert one image.

        Args:
            image: (H, W, 3) uint8 RGB, contiguous, of even size.
        """
        return self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(image, format="rgb24"),
            format="yuv420p",
            dst_colorspace=int(Colorspace.ITU709),
            dst_color_range="MPEG",
            interpolation="AREA",
        )


def _pad(image: ImageArray, *, right: int, bottom: int) -> ImageArray:
    if right or bottom:
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        return padded.astype(np.uint8, copy=False)
    return np.ascontiguousarray(image)
