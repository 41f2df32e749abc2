"""COCO-style keypoint files: COCO, CrowdPose, and our own with a teacher's keypoints.

Besides COCO's fields an annotation may have `keypoint_scores`, K numbers from 0 to 1, the weight of each
keypoint in the loss. A keypoint with v = 0 is unknown and has weight 0, whatever its score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.data.coco_faults import describe_fault
from models.data.coco_people import read_coco_people
from models.data.image_files import list_images
from models.data.samples import PoseSamples
from models.training.errors import DataError


def read_coco_samples(path: Path, image_folder: Path, keypoint_names: Sequence[str]) -> PoseSamples:
    """Read the people of a COCO-style keypoint file, except crowds.

    Args:
        path: The annotations, with the habits that `models.data.coco_people` knows.
        image_folder: Folder that `file_name` is relative to.
        keypoint_names: K names, which the annotations must have, in any order.

    Returns:
        All people, with or without known keypoints.

    Raises:
        DataError: The file cannot be read, or is not valid.
    """
    content = read_coco_people(path, keypoint_names).content
    return decode_coco_samples(content, image_folder, len(keypoint_names), str(path))


# What is too large for float32 becomes infinite, and is refused as such.
@np.errstate(over="ignore")
def decode_coco_samples(
    data: Mapping[str, Any], image_folder: Path, num_keypoints: int, where: str
) -> PoseSamples:
    """Decode the content of `CocoPeople`; `where` is its name in messages."""
    images = data["images"]
    positions = {image["id"]: i for i, image in enumerate(images)}
    people = [
        person for person in data["annotations"] if not person.get("iscrowd", 0) and not person.get("ignore", 0)
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
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DataError(
            f"{where}: {describe_fault({**data, 'annotations': people}, num_keypoints, error)}"
        ) from error
    if counts or not all(np.isfinite(value).all() for value in (boxes, scores, keypoints, weights)):
        fault = describe_fault({**data, "annotations": people}, num_keypoints, "numbers that are not finite")
        raise DataError(f"{where}: {fault}")
    return PoseSamples(
        images=list_images(data, image_folder, where),
        image_ids=np.array([image["id"] for image in images], np.int64),
        image_index=np.array(index, np.int64),
        boxes_xyxy=np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
        scores=scores,
        keypoints_xy=np.ascontiguousarray(keypoints[..., :2]),
        weights=np.where(keypoints[..., 2] > 0, np.clip(weights, 0, 1), 0).astype(np.float32),
    )
