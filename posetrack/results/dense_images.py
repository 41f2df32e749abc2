"""Dense poses as images, two for each frame: chart and coordinates of every pixel, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from models.densepose.pixel_box import PixelBox
from posetrack.errors import ResultsError
from posetrack.frame import ImageArray
from posetrack.results.dense_boxes import truncate_box
from posetrack.results.dense_png import encode_png
from posetrack.results.dense_sources import ResultFrame
from posetrack.results.files import make_whole_folder

OWN_IMAGES = "*_I[UN][VD]*.png"
"""Names of these images."""
_MOST_PIXELS = 2**28
_MOST_8_BIT = 255


def write_dense_images(frames: Iterable[ResultFrame], folder: Path) -> None:
    """Write `000012_IUV.png` and `000012_INDS.png` and so on, numbered by the frame's index.

    Red, green and blue of `_IUV` are the chart (1..24, 0 for the background), 255 u and 255 v. The gray values
    of `_INDS` number the people of the frame in the order of the results, from 1; 0 is the background. They
    have 8 bits, and 16 in frames of more than 255 people. Where people overlap, the highest score is seen.

    Differs from DensePose's own tool: it writes blue, green and red, numbers from 0 by rising score, leaves out
    people below 0.65, and lays those of lower scores on top, each channel for itself.

    Args:
        frames: In order, one at a time in memory; frames without people become black images.
        folder: An older one with such images is replaced when all are written.

    Raises:
        ResultsError: The folder cannot be written or holds other files, or a dense pose cannot be read.
    """
    with make_whole_folder(folder, OWN_IMAGES) as part:
        for frame in frames:
            surface, numbers = _draw(frame)
            (part / f"{frame.frame_index:06d}_IUV.png").write_bytes(encode_png(surface))
            encoded = cv2.imencode(".png", numbers)[1].tobytes()
            (part / f"{frame.frame_index:06d}_INDS.png").write_bytes(encoded)


def _draw(frame: ResultFrame) -> tuple[ImageArray, np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]]]:
    """The surface (H, W, 3) of a frame, and the numbers of the people there (H, W)."""
    width, height = frame.size_wh
    if width * height > _MOST_PIXELS:
        raise ResultsError(
            f"frame {frame.frame_index}: {width}x{height} is more than {_MOST_PIXELS:,} pixels; "
            "take another format"
        )
    results = frame.results
    surface = np.zeros((height, width, 3), np.uint8)
    numbers = np.zeros((height, width), np.uint8 if len(results) <= _MOST_8_BIT else np.uint16)
    # The last one drawn is on top: the highest score, and of equals the first.
    for i in sorted(range(len(results)), key=lambda i: (results[i].score, -i)):
        pose = results[i].decode().transpose(1, 2, 0)
        rows, columns, pose = _crop(pose, truncate_box(results[i].box), frame.size_wh)
        is_seen = pose[:, :, 0] > 0
        surface[rows, columns][is_seen] = pose[is_seen]
        numbers[rows, columns][is_seen] = i + 1
    return surface, numbers


def _crop(pose: ImageArray, pixels: PixelBox, size_wh: tuple[int, int]) -> tuple[slice, slice, ImageArray]:
    """The rows and columns of an image that a dense pose covers, and the part of it that is inside."""
    left, right = (min(max(x, 0), size_wh[0]) for x in (pixels.x, pixels.x + pixels.w))
    top, bottom = (min(max(y, 0), size_wh[1]) for y in (pixels.y, pixels.y + pixels.h))
    inside = pose[top - pixels.y : bottom - pixels.y, left - pixels.x : right - pixels.x]
    return slice(top, bottom), slice(left, right), inside
