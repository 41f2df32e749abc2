"""Conversion of images with more than 8 bits a value to 8 bits, by one scale for all images of a source."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.frame import ImageArray

AnyImage = npt.NDArray[Any]

_BITS = (8, 10, 12, 14, 16)
# Above white, floating-point images have highlights; far above it, their values are whole numbers.
_BRIGHTEST_HIGHLIGHT = 16.0


class EightBits:
    """Converts images to 8 bits by the range of values that is used.

    Files of 16 bits often hold the 10, 12 or 14 bits of a camera, with the upper ones empty. How many are used
    is seen in the first image that is not black; the scale then stays, unless a later image uses more. Values
    of 16 bits lose their lower 8. Of floating-point images 1 is white, or the largest value of as many bits as
    they use.

    Attributes:
        notes: One line for each choice of a scale, except for the usual ones; the reader empties it.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._bits = 0
        self._white = 0.0

    def __call__(self, image: AnyImage) -> ImageArray:
        """Convert an image.

        Args:
            image: (H, W) or (H, W, C), of whole numbers or floating-point numbers.

        Returns:
            The same shape, uint8.
        """
        if image.dtype == np.uint8:
            return image
        return self._convert_floats(image) if image.dtype.kind == "f" else self._convert_integers(image)

    def _convert_integers(self, image: AnyImage) -> ImageArray:
        highest = int(image.max(initial=0))
        used = highest.bit_length()
        bits = next((bits for bits in _BITS if bits >= used), used)
        if highest > 0 and bits > self._bits:
            if bits != 16 or self._bits:
                kind = f"{8 * image.dtype.itemsize}-bit images"
                self._note(f"{kind} with {bits} bits in use (the largest value is {highest})", self._bits)
            self._bits = bits
        values = np.maximum(image, 0) if image.dtype.kind == "i" else image
        return np.right_shift(values, max(self._bits - 8, 0)).astype(np.uint8)

    def _convert_floats(self, image: AnyImage) -> ImageArray:
        values = np.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0)
        highest = float(values.max(initial=0))
        white = 1.0 if highest <= _BRIGHTEST_HIGHLIGHT else 2.0 ** int(np.ceil(np.log2(highest + 1))) - 1
        if highest > 0 and white > self._white:
            if white != 1:
                self._note(
                    f"floating-point images with values up to {highest:g}; {white:g} is white", self._white
                )
            self._white = white
        values *= 255 / (self._white or 1.0)
        return np.clip(values, 0, 255, out=values).astype(np.uint8)

    def _note(self, what: str, before: float) -> None:
        self.notes.append(f"{what}, shown in 8 bits" + ("; darker than the images before" if before else ""))


def to_rgb(image: ImageArray) -> ImageArray:
    """Convert what OpenCV reads to RGB.

    Args:
        image: (H, W) grey, or (H, W, 3) BGR; the latter is overwritten.

    Returns:
        (H, W, 3), contiguous.
    """
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image), np.uint8)
