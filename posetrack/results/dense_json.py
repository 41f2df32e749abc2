"""The JSON of DensePose's competition: a list with an object for each found person.

    {"image_id": 12, "category_id": 1, "bbox": [x, y, w, h], "score": 0.93, "track_id": 7,
     "uv_shape": [3, h, w], "uv_data": "a PNG in base64"}

Red, green and blue of the PNG are the chart, 255 u and 255 v over the whole pixels of the box: x, y, w and h
truncated, the last two at least 1. Boxes and scores are not rounded. `track_id` is ours, and others leave it
unread; people who are not tracked have none.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED
from posetrack.json_fields import (
    expect_array,
    expect_id,
    expect_list,
    expect_numbers,
    expect_object,
    expect_text,
    read_json,
)
from posetrack.results.coco_entries import PERSON_CATEGORY_ID
from posetrack.results.dense_boxes import read_box, truncate_box
from posetrack.results.dense_png import measure_png
from posetrack.results.dense_results import DenseResult, check_shape, read_category, read_track_id
from posetrack.results.files import open_whole_file, write_json_array


def read_dense_json(path: Path) -> Iterator[tuple[int | None, DenseResult]]:
    """Read the competition's JSON.

    Yields:
        The category of each result, None where it has none, and the result.

    Raises:
        ResultsError: The file cannot be read, or a result is not what it should be.
    """
    entries = expect_list(read_json(path), str(path))
    for i, entry in enumerate(entries):
        expect_object(entry, f"{path}: results[{i}]")
    for i, entry in enumerate(entries):
        where = f"{path}: results[{i}]"
        yield read_category(entry.get("category_id"), where), _decode_entry(entry, where)


def _decode_entry(entry: dict[str, Any], where: str) -> DenseResult:
    image_id = expect_id(entry.get("image_id"), f"{where}.image_id")
    score = float(expect_array(entry.get("score"), (), f"{where}.score"))
    box = read_box(entry.get("bbox"), f"{where}.bbox")
    shape = expect_numbers(entry.get("uv_shape"), 3, f"{where}.uv_shape")
    check_shape(shape, box, f"{where}.uv_shape")
    try:
        png = base64.b64decode(expect_text(entry.get("uv_data"), f"{where}.uv_data"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResultsError(f"{where}.uv_data: not base64; is it whole? write a PNG in base64") from error
    height, width = measure_png(png, f"{where}.uv_data")
    if [height, width] != shape[1:]:
        raise ResultsError(
            f"{where}.uv_data: the PNG is {height} x {width} (height x width), but uv_shape {shape[1]:g} x "
            f"{shape[2]:g}; correct it"
        )
    track_id = read_track_id(entry.get("track_id"), f"{where}.track_id")
    return DenseResult(image_id, score, box, png, f"{where}.uv_data", track_id)


def write_dense_json(
    results: Iterable[DenseResult], path: Path, *, category_id: int = PERSON_CATEGORY_ID
) -> None:
    """Write the competition's JSON, result by result.

    Args:
        results: They are taken one at a time.
        path: The file; an older one is replaced when all are written.
        category_id: Number of the people's category.

    Raises:
        ResultsError: The file cannot be written, or a dense pose cannot be read.
    """
    with open_whole_file(path) as file:
        write_json_array(file, (_encode_entry(result, category_id) for result in results))
        file.write("\n")


def _encode_entry(result: DenseResult, category_id: int) -> dict[str, object]:
    pixels = truncate_box(result.box)
    return {
        "image_id": result.image_id,
        "category_id": category_id,
        "bbox": list(result.box),
        "score": result.score,
        **({} if result.track_id == UNTRACKED else {"track_id": result.track_id}),
        "uv_shape": [3, pixels.h, pixels.w],
        "uv_data": base64.b64encode(result.encode()).decode("ascii"),
    }
