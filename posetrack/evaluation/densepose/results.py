"""Dense poses that a network found, in the forms that they are handed around in; one record for all of them.

Forms: the competition's JSON (`image_id, category_id, bbox, score, uv_shape, uv_data`, a PNG in base64), and
pickles or files of torch.save with what Detectron2's tools write: `image_id, bbox, score, uv`, or for each
image `file_name, scores, pred_boxes_XYXY, pred_densepose`.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.densepose.parts import NUM_CHARTS
from posetrack.errors import ResultsError
from posetrack.evaluation.densepose.truth import BoxXYWH, SurfaceTruth, read_box
from posetrack.json_fields import (
    expect_array,
    expect_id,
    expect_list,
    expect_numbers,
    expect_object,
    expect_text,
    make_error,
    read_json,
)

Bytes = npt.NDArray[np.uint8]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = (8, 2)
_MOST_PIXELS = 2**26


@dataclass(frozen=True)
class DenseResult:
    """A found person with a dense pose.

    Attributes:
        image_id: Number of its image.
        score: Its score.
        box: Its box.
        content: (3, h, w) uint8, chart, 255 u and 255 v over the truncated box; or a PNG of them.
        where: Name in messages.
    """

    image_id: int
    score: float
    box: BoxXYWH
    content: bytes | Bytes
    where: str

    def decode(self) -> Bytes:
        """Decode the dense pose.

        Returns:
            (3, h, w) uint8: chart, 255 u and 255 v.

        Raises:
            ResultsError: The PNG is damaged, or there are charts above 24.
        """
        content = self.content
        pose = _decode_png(content, self.where) if isinstance(content, bytes) else content
        if pose[0].max() > NUM_CHARTS:
            raise ResultsError(f"{self.where}: chart {pose[0].max()}, but there are {NUM_CHARTS}; correct it")
        return pose


def measure_size(box: BoxXYWH) -> tuple[int, int]:
    """Height and width in pixels of the dense pose of a box: truncated, at least 1."""
    return max(int(box.h), 1), max(int(box.w), 1)


def read_competition_results(path: Path, truth: SurfaceTruth) -> list[DenseResult]:
    """Read the competition's JSON; see `read.read_dense_results`."""
    entries = expect_list(read_json(path), str(path))
    return keep_people(
        (
            (entry.get("category_id"), _decode_entry(entry, f"{path}: results[{i}]"))
            for i, entry in enumerate(
                expect_object(entry, f"{path}: results[{i}]") for i, entry in enumerate(entries)
            )
        ),
        truth,
        path,
    )


def keep_people(found: Iterable[tuple[Any, DenseResult]], truth: SurfaceTruth, path: Path) -> list[DenseResult]:
    """Leave out results of other categories, as COCO's evaluation does; those without one are people.

    Raises:
        ResultsError: That leaves none.
    """
    kept, num_others = [], 0
    for category_id, result in found:
        number = None if category_id is None else expect_id(category_id, f"{result.where}.category_id")
        if None in (number, truth.category_id) or number == truth.category_id:
            kept.append(result)
        else:
            num_others += 1
    if num_others and not kept:
        raise ResultsError(
            f"{path}: no result has the category_id of people, {truth.category_id}; correct them"
        )
    return kept


def _decode_entry(entry: dict[str, Any], where: str) -> DenseResult:
    image_id = expect_id(entry.get("image_id"), f"{where}.image_id")
    score = float(expect_array(entry.get("score"), (), f"{where}.score"))
    box = read_box(entry.get("bbox"), f"{where}.bbox")
    shape = tuple(expect_numbers(entry.get("uv_shape"), 3, f"{where}.uv_shape"))
    check_shape(shape, box, f"{where}.uv_shape")
    try:
        png = base64.b64decode(expect_text(entry.get("uv_data"), f"{where}.uv_data"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResultsError(f"{where}.uv_data: not base64; is it whole? write a PNG in base64") from error
    _check_png(png, shape, f"{where}.uv_data")
    return DenseResult(image_id, score, box, png, f"{where}.uv_data")


def check_shape(shape: Sequence[float], box: BoxXYWH, where: str) -> None:
    """Check that a dense pose is of the size of its box.

    Args:
        shape: 3, height and width.
        box: The box.
        where: Name in messages.

    Raises:
        ResultsError: It is not.
    """
    height, width = measure_size(box)
    if tuple(shape) != (3, height, width):
        found = ", ".join(f"{side:g}" for side in shape)
        raise ResultsError(
            f"{where}: expected [3, {height}, {width}], the sides of bbox without their fractions, found "
            f"[{found}]; correct it"
        )
    if height * width > _MOST_PIXELS:
        raise make_error(where, f"at most {_MOST_PIXELS} pixels", height * width)


def _check_png(png: bytes, shape: Sequence[float], where: str) -> None:
    """Check that a PNG is whole, in RGB, and of this shape, before anything is decoded."""
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
    if (3, height, width) != tuple(shape):
        raise ResultsError(
            f"{where}: the PNG is {height} x {width} (height x width), but uv_shape {shape[1]:g} x "
            f"{shape[2]:g}; correct it"
        )


def _decode_png(png: bytes, where: str) -> Bytes:
    try:
        image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ResultsError(f"{where}: a PNG that cannot be decoded as RGB; write it again")
    return np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1))
