"""COCO-style keypoint files: COCO, CrowdPose, and our own with a teacher's keypoints.

Besides COCO's fields an annotation may have `keypoint_scores`, K numbers from 0 to 1, the weight of each
keypoint in the loss. A keypoint with v = 0 is unknown and has weight 0, whatever its score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.data.samples import FloatArray, PoseSamples
from models.training.errors import DataError


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return json.load(file)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; give the data folder with --data") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error


def read_coco_samples(path: Path, image_folder: Path, num_keypoints: int) -> PoseSamples:
    """Read the people of a COCO-style keypoint file, except crowds.

    Args:
        path: The annotations.
        image_folder: Folder that `file_name` is relative to.
        num_keypoints: K, which the annotations must have.

    Returns:
        All people, with or without known keypoints.

    Raises:
        DataError: The file cannot be read, or is not valid.
    """
    return decode_coco_samples(read_json(path), image_folder, num_keypoints, str(path))


def decode_coco_samples(data: Any, image_folder: Path, num_keypoints: int, where: str) -> PoseSamples:
    """Decode the parsed content of such a file; `where` is its name in messages."""
    images, positions = _decode_images(data, where)
    people = [
        person
        for person in _take(data, "annotations", list, where)
        if not person.get("iscrowd", 0) and not person.get("ignore", 0)
    ]
    try:
        index = [positions[person["image_id"]] for person in people]
        boxes = np.array([person["bbox"] for person in people], np.float32).reshape(-1, 4)
        scores = np.array([person.get("score", 1.0) for person in people], np.float32)
        flat = [person["keypoints"] for person in people]
        counts = {len(row) / 3 for row in flat} - {num_keypoints}
        keypoints = np.array([] if counts else flat, np.float32).reshape(-1, num_keypoints, 3)
        worth = [person.get("keypoint_scores") or [1.0] * num_keypoints for person in people]
        weights = np.array(worth, np.float32).reshape(-1, num_keypoints)
    except KeyError as error:
        raise DataError(f"{where}: annotations: no field or image {error}") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: annotations: {error}") from error
    if counts:
        raise DataError(f"{where}: {min(counts):g} keypoints, but the recipe's skeleton has {num_keypoints}")
    _check_finite(boxes, keypoints, where)
    return PoseSamples(
        image_paths=tuple(image_folder / image["file_name"] for image in images),
        image_ids=np.array([image["id"] for image in images], np.int64),
        image_index=np.array(index, np.int64),
        boxes_xyxy=np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
        scores=scores,
        keypoints_xy=np.ascontiguousarray(keypoints[..., :2]),
        weights=np.where(keypoints[..., 2] > 0, np.clip(weights, 0, 1), 0).astype(np.float32),
    )


def _decode_images(data: Any, where: str) -> tuple[list[Mapping[str, Any]], dict[int, int]]:
    images: list[Mapping[str, Any]] = _take(data, "images", list, where)
    for i, image in enumerate(images):
        if not isinstance(image, Mapping) or not {"id", "file_name"} <= image.keys():
            raise DataError(f"{where}: images[{i}]: expected id and file_name")
    return images, {image["id"]: i for i, image in enumerate(images)}


def _take(data: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(data, Mapping) or not isinstance(data.get(key), kind):
        raise DataError(f"{where}: no list `{key}`; is it a COCO keypoint file?")
    return data[key]


def _check_finite(boxes: FloatArray, keypoints: FloatArray, where: str) -> None:
    values: Sequence[FloatArray] = (boxes, keypoints)
    if not all(np.isfinite(value).all() for value in values):
        raise DataError(f"{where}: annotations: NaN or infinity among boxes or keypoints")
