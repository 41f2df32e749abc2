"""Decoded video images to upright RGB arrays."""

from __future__ import annotations

from typing import cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData

from posetrack.frame import ImageArray

_UNSPECIFIED_COLORSPACE = 2  # AVCOL_SPC_UNSPECIFIED: swscale then takes BT.601

DisplayMatrix = tuple[int, int, int, int]
"""a, b, c, d: the point (x, y) of the stored image is shown at (ax + cy, bx + dy), but for a shift."""

# The matrix of each quarter turn counter-clockwise.
_MATRICES = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))


def to_upright_rgb(frame: av.VideoFrame, matrix: DisplayMatrix) -> ImageArray:
    """Convert a decoded image of any pixel format.

    Matrix (BT.601, 709, 2020) and range are those of the frame; where it names none, BT.601 in limited
    range, as in FFmpeg and OpenCV. Transparency is dropped.

    Args:
        frame: The image.
        matrix: How it is turned and mirrored, from `read_display_matrix`.

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        av.FFmpegError: The pixel format cannot be converted.
    """
    try:
        image = frame.to_ndarray(format="rgb24")
    except av.FFmpegError:
        # swscale knows no such matrix (YCgCo, ICtCp): an image in wrong colours beats none.
        frame.colorspace = _UNSPECIFIED_COLORSPACE
        image = frame.to_ndarray(format="rgb24")
    return turn_upright(np.asarray(image, np.uint8), matrix)


def turn_upright(image: ImageArray, matrix: DisplayMatrix) -> ImageArray:
    """Turn an image in steps of 90 degrees, and mirror it, as a display matrix says.

    Args:
        image: (H, W, 3).
        matrix: Other angles than right ones are rounded.

    Returns:
        (H, W, 3) or (W, H, 3), contiguous.
    """
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        mirror_x, mirror_y = a < 0, d < 0
    else:
        image = cv2.transpose(image).astype(np.uint8, copy=False)
        mirror_x, mirror_y = c < 0, b < 0
    if mirror_x or mirror_y:
        image = cv2.flip(image, -1 if mirror_x and mirror_y else int(mirror_x)).astype(np.uint8, copy=False)
    return np.ascontiguousarray(image)


def read_display_matrix(frame: av.VideoFrame) -> DisplayMatrix:
    """How a decoded image is to be turned and mirrored.

    Not for each frame of a long video: asking PyAV for side data makes a reference cycle, so that the
    image stays in memory until the garbage collector comes by.
    """
    try:
        data = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    except ValueError:  # the frame also carries a kind of side data that this PyAV cannot name
        return _MATRICES[round(frame.rotation / 90) % 4]
    if data is None:
        return _MATRICES[0]
    a, b, _, c, d = np.frombuffer(memoryview(data), np.int32)[:5].tolist()
    return a, b, c, d
