"""Reading of image files as 8-bit RGB: bounded by their header, upright, and by one scale of brightness."""

from __future__ import annotations

from typing import BinaryIO

import av
import cv2
import numpy as np

from models.image_size import read_image_size
from posetrack.frame import ImageArray
from posetrack.video.depth import EightBits, to_rgb
from posetrack.video.limits import MAX_PIXELS, check_max_pixels, check_pixels


class ImageReader:
    """Reads the image files of one source.

    Attributes:
        to_eight_bits: The conversion of images with more than 8 bits, with its notes.
    """

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        """Start with a source.

        Args:
            max_pixels: The most pixels that an image may have.

        Raises:
            VideoError: It is not in the range that can be read.
        """
        self.to_eight_bits = EightBits()
        self._max_pixels = check_max_pixels(max_pixels)

    def read(self, path: str) -> ImageArray | None:
        """Read one image file, upright by its EXIF orientation.

        Args:
            path: An image file of any depth and number of channels; transparency is dropped.

        Returns:
            (H, W, 3) uint8 RGB, or None if the file is missing, damaged or not an image.

        Raises:
            VideoError: Its header says that it has too many pixels.
        """
        try:
            with open(path, "rb") as file:
                size_wh = read_image_size(file) or self._ask_ffmpeg(file)
                if size_wh is None:
                    return None
                check_pixels(path, size_wh, self._max_pixels)
                file.seek(0)
                data = np.fromfile(file, np.uint8)
        except (OSError, ValueError):
            return None
        try:
            image = cv2.imdecode(data, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
        except cv2.error:  # a header that claims an impossible size
            return None
        return None if image is None else to_rgb(self.to_eight_bits(image))

    def _ask_ffmpeg(self, file: BinaryIO) -> tuple[int, int] | None:
        """The size by FFmpeg, of files with a damaged header or of another kind than their name says."""
        file.seek(0)
        try:
            with av.open(file, options={"max_pixels": str(self._max_pixels)}) as container:
                context = container.streams.video[0].codec_context
                return (context.width, context.height) if context.width and context.height else None
        except (av.FFmpegError, IndexError):
            return None
