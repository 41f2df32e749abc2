"""From linear light to a JPEG as phones and the web have them: exposure, blur, noise, casts, compression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from synthesis.pack import Floats


def develop(rng: np.random.Generator, light: Floats) -> npt.NDArray[np.uint8]:
    """Develop (H, W, 3) linear light to an image, (H, W, 3) bytes, blue first; nothing moves by it."""
    image = light * np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.5:
        image = image * rng.normal(1, 0.06, 3).astype(np.float32)
    # Bright light bends off instead of being cut off.
    image = np.where(image > 0.8, 0.8 + 0.2 * np.tanh((image - 0.8) / 0.4), image.clip(0, None))
    image = image ** np.float32(rng.normal(1 / 2.2, 0.03))
    image = _blur(rng, image.astype(np.float32))
    if rng.random() < 0.7:
        image = _add_noise(rng, image)
    if rng.random() < 0.3:
        image = (image - 0.5) * np.float32(rng.uniform(0.75, 1.2)) + np.float32(0.5 + rng.normal(0, 0.03))
    if rng.random() < 0.03:
        image = np.repeat(image.mean(2, keepdims=True), 3, 2)
    return (image * 255 + 0.5).clip(0, 255).astype(np.uint8)


def encode_jpeg(rng: np.random.Generator, image: npt.NDArray[np.uint8]) -> bytes:
    """A JPEG of some quality from poor to good."""
    quality = int(rng.choice((rng.integers(35, 75), rng.integers(75, 97)), p=(0.35, 0.65)))
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _blur(rng: np.random.Generator, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    height, width = image.shape[:2]
    kind = rng.random()
    if kind < 0.35:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.1) * width / 640 + 0.2)
    if kind < 0.47:
        length = int(rng.integers(1, 4)) * 2 + 1
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        turn = cv2.getRotationMatrix2D((length // 2, length // 2), rng.uniform(0, 180), 1)
        kernel = cv2.warpAffine(kernel, turn, (length, length))
        return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    if kind < 0.6:
        scale = rng.uniform(0.45, 0.9)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return image


def _add_noise(rng: np.random.Generator, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    strength = np.float32(rng.exponential(0.012))
    noise = rng.standard_normal(image.shape, np.float32)
    if rng.random() < 0.5:
        noise = cv2.GaussianBlur(noise, (3, 3), 0) * 2
    return image + strength * noise
