"""Conversion of decoded video images to upright RGB arrays."""

from __future__ import annotations

from typing import cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import VideoReformatter

from posetrack.frame import ImageArray

_UNSPECIFIED_COLORSPACE = 2  # AVCOL_SPC_UNSPECIFIED: swscale then takes BT.601

DisplayMatrix = tuple[int, int, int, int]
"""a, b, c, d: the point (x, y) of the stored image is shown at (ax + cy, bx + dy), but for a shift."""

# The matrix of each quarter turn counter-clockwise.
_MATRICES = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))


def to_upright_rgb(frame: av.VideoFrame, matrix: DisplayMatrix, width: int | None = None) -> ImageArray:
    """Convert a decoded image of any pixel format to RGB.

    The colour matrix (BT.601, 709, 2020) and range are those of the frame; if it names none, BT.601 in limited
    range, as in FFmpeg and OpenCV. Transparency is dropped.

    Args:
        frame: The image.
        matrix: Its rotation and mirroring, from `read_display_matrix`.
        width: Width in pixels to scale it to, before the rotation; None for its own.

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        av.FFmpegError: The pixel format cannot be converted.
    """
    width = width or frame.width
    try:
        image = _to_rgb(frame, width)
    except av.FFmpegError:
        # swscale does not know this matrix (YCgCo, ICtCp): wrong colours are better than no image.
        frame.colorspace = _UNSPECIFIED_COLORSPACE
        image = _to_rgb(frame, width)
    return turn_upright(image, matrix)


def _to_rgb(frame: av.VideoFrame, width: int) -> ImageArray:
    # Not by the frame itself, which would keep the converter and its threads: see `read_display_matrix`.
    converted = VideoReformatter().reformat(frame, width, frame.height, "rgb24")
    return np.asarray(converted.to_ndarray(), np.uint8)


def has_plain_16_bits(frame: av.VideoFrame) -> bool:
    """Whether an image has grey or RGB values of 16 bits, of which cameras often fill 10, 12 or 14."""
    components = frame.format.components
    return all(part.bits == 16 for part in components) and (frame.format.is_rgb or len(components) <= 2)


def turn_upright(image: ImageArray, matrix: DisplayMatrix) -> ImageArray:
    """Rotate an image in steps of 90 degrees and mirror it, by a display matrix.

    Args:
        image: (H, W, 3).
        matrix: Display matrix; angles are rounded to multiples of 90 degrees.

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
    """Read the rotation and mirroring of a decoded image.

    Not to be called for each frame of a long video: PyAV's side data makes a reference cycle, so that the
    image stays in memory until the garbage collector runs.
    """
    try:
        data = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    except ValueError:  # the frame has another kind of side data that this PyAV does not know
        return _MATRICES[round(frame.rotation / 90) % 4]
    if data is None:
        return _MATRICES[0]
    a, b, _, c, d = np.frombuffer(memoryview(data), np.int32)[:5].tolist()
    return a, b, c, d
