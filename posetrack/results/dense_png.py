"""Dense poses as PNG: red, green and blue are the chart, 255 u and 255 v."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.densepose.parts import NUM_CHARTS
from posetrack.errors import ResultsError
from posetrack.frame import ImageArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = (8, 2)
# Charts and ramps are long runs once Paeth's filter has predicted them: this is as fast as the ordinary
# strategy at its lowest level, and files are a fifth smaller. OpenCV before 4.11 chooses the filter itself.
_ENCODING = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
if hasattr(cv2, "IMWRITE_PNG_FILTER"):
    _ENCODING += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH]


def encode_png(pose: ImageArray) -> bytes:
    """Encode a dense pose (h, w, 3), without loss."""
    _, encoded = cv2.imencode(".png", pose[:, :, ::-1], _ENCODING)
    return encoded.tobytes()


def measure_png(png: bytes, where: str) -> tuple[int, int]:
    """Height and width of a PNG, before anything is decoded.

    Args:
        png: The file.
        where: Name in messages.

    Raises:
        ResultsError: It is damaged, or is not RGB of 8 bits.
    """
    position, kinds = len(_SIGNATURE), []
    while png.startswith(_SIGNATURE) and position + 12 <= len(png):
        (size,) = struct.unpack_from(">I", png, position)
        end = position + 8 + size
        if end + 4 > len(png) or zlib.crc32(png[position + 4 : end]) != struct.unpack_from(">I", png, end)[0]:
            break
        kinds.append(png[position + 4 : position + 8])
        position = end + 4
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"]:
        raise ResultsError(f"{where}: not a PNG, or damaged; write I, U and V as a PNG in base64")
    width, height, depth, kind = struct.unpack_from(">IIBB", png, len(_SIGNATURE) + 8)
    if (depth, kind) != _RGB:
        raise ResultsError(f"{where}: expected a PNG of three channels of 8 bits; write I, U and V as RGB")
    return height, width


def decode_png(png: bytes, where: str) -> ImageArray:
    """Decode a dense pose; the inverse of `encode_png`.

    Args:
        png: The file.
        where: Name in messages.

    Returns:
        (h, w, 3) uint8: chart, 255 u and 255 v.

    Raises:
        ResultsError: The PNG cannot be decoded, or there are charts above 24.
    """
    try:
        image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ResultsError(f"{where}: a PNG that cannot be decoded as RGB; write it again")
    pose: ImageArray = np.ascontiguousarray(image[:, :, ::-1], np.uint8)
    check_charts(pose[:, :, 0], where)
    return pose


def check_charts(charts: npt.NDArray[np.integer[Any]], where: str) -> None:
    """Check that charts are 0 to 24, or raise ResultsError."""
    for chart in (charts.min(), charts.max()):
        if not 0 <= chart <= NUM_CHARTS:
            raise ResultsError(f"{where}: chart {chart}, but there are {NUM_CHARTS}; correct it")
