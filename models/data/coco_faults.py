"""What is wrong with annotations that could not be read: found after the failure, for a message that helps."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard


def describe_fault(
    data: Mapping[str, Any], num_keypoints: int, error: object, *, needs_keypoints: bool = True
) -> str:
    """Describe the first fault among people whose annotations could not be read.

    Args:
        data: The content of `CocoPeople`.
        num_keypoints: The skeleton's number of keypoints.
        error: What the reading said, for faults that are not known here.
        needs_keypoints: Whether everybody must have keypoints.

    Returns:
        The annotation, what is wrong with it, and the remedy.
    """
    image_ids = {image["id"] for image in data["images"]}
    for person in data["annotations"]:
        if not needs_keypoints and not person.get("keypoints"):
            person = {**person, "keypoints": [0] * (3 * num_keypoints)}
        for name, found in _find_faults(person, image_ids, num_keypoints):
            which = f"id {_show(person['id'])}" if "id" in person else f"of image {person.get('image_id')}"
            return f"annotations ({which}): {name}: {found}; correct it or take the annotation out"
    return f"annotations: {error}"


def _find_faults(
    person: Mapping[str, Any], image_ids: set[int], num_keypoints: int
) -> Iterator[tuple[str, str]]:
    if person["image_id"] not in image_ids:
        yield "image_id", f"no image {person['image_id']} in the file"
    box = person.get("bbox")
    if not _is_numbers(box) or len(box) != 4:
        yield "bbox", f"expected 4 finite numbers, found {_show(box)}"
    flat = person.get("keypoints")
    if not _is_numbers(flat):
        yield "keypoints", f"expected {3 * num_keypoints} finite numbers, found {_show(flat)}"
    elif len(flat) != 3 * num_keypoints:
        yield (
            "keypoints",
            f"{len(flat)} numbers, {len(flat) / 3:g} keypoints, but the recipe's skeleton has {num_keypoints}",
        )
    scores = person.get("keypoint_scores")
    if scores and (not _is_numbers(scores) or len(scores) != num_keypoints):
        yield "keypoint_scores", f"expected {num_keypoints} finite numbers, found {_show(scores)}"
    if not _is_number(person.get("score", 1.0)):
        yield "score", f"expected a finite number, found {_show(person['score'])}"


def _is_numbers(values: object) -> TypeGuard[Sequence[float]]:
    return isinstance(values, list | tuple) and all(map(_is_number, values))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # What is larger does not fit into float32.
    return abs(value) < 3e38 and math.isfinite(value)


def _show(value: object) -> str:
    return "nothing" if value is None else " ".join(reprlib.repr(value).split())
