"""COCO-style files in one form, whatever the habits of the data set, for training and evaluation alike.

Data sets differ in how ids are written (1, 1.0 or "1"), in the number of the people's category and in what
other categories there are, in the order of the keypoints, and in whether annotations have an `area`.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.data.json_file import read_json
from models.training.errors import DataError

PERSON_ID = 1
"""Number of the people's category in `CocoPeople.content`, as in COCO."""

# Other names of keypoints in public data sets: CrowdPose's head, PoseTrack's neck.
_OTHER_NAMES = {"head": "head_top", "top_head": "head_top", "head_bottom": "neck"}
_LARGEST_ID = 2**53


@dataclass(frozen=True)
class CocoPeople:
    """The people of a COCO-style file.

    Attributes:
        content: `images`, with whole numbers as ids; `annotations` of people alone, with an `area` and their
            keypoints in the wanted order; `categories`, the one of people, with the id `PERSON_ID`.
        category_id: Number of the people's category in the file; None if all annotations are people.
    """

    content: dict[str, Any]
    category_id: int | None


def read_coco_people(
    path: Path, keypoint_names: Sequence[str] | None, *, needs_keypoints: bool = True
) -> CocoPeople:
    """Read the people of a COCO-style file; see `unify_people`.

    Raises:
        DataError: The file cannot be read, or is not valid.
    """
    return unify_people(read_json(path), keypoint_names, str(path), needs_keypoints=needs_keypoints)


def unify_people(
    data: Any,
    keypoint_names: Sequence[str] | None,
    where: str,
    *,
    needs_keypoints: bool = True,
    needs_annotations: bool = True,
) -> CocoPeople:
    """Bring the people of a parsed COCO-style file into one form.

    The people's category is the only one with keypoints; of several that named `person`. Files that may be
    without keypoints have people in the category named `person`, else in the only one with keypoints, else in
    all.

    Args:
        data: The content of the file; not modified.
        keypoint_names: The wanted keypoints, in the wanted order; None to leave them as they are.
        where: Name of the file in messages.
        needs_keypoints: Whether the people's category must have keypoints.
        needs_annotations: Whether `annotations` must be there: files of test sets, such as test-dev, have none.

    Raises:
        DataError: Something is missing or not valid, an image stands twice, or a wanted keypoint is missing.
    """
    images = _take_images(data, where)
    categories, chosen = _take_category(data, where, needs_keypoints=needs_keypoints)
    category_id = None if chosen is None else list(categories)[chosen]
    names = None if category_id is None else categories[category_id].get("keypoints")
    columns = None
    if keypoint_names is not None and names:
        columns = _find_columns(names, keypoint_names, f"{where}: categories[{chosen}].keypoints")
        names = list(keypoint_names)
    people = []
    is_listed = needs_annotations or "annotations" in data
    for i, entry in enumerate(_take_list(data, "annotations", where) if is_listed else []):
        at = f"{where}: annotations[{i}]"
        if not isinstance(entry, Mapping):
            raise DataError(f"{at}: expected an object, found {_show(entry)}; take it out")
        if category_id is not None and not _is_of(entry, category_id, categories, at):
            continue
        person = {
            **entry,
            "image_id": read_id(entry.get("image_id"), f"{at}.image_id"),
            "category_id": PERSON_ID,
        }
        if columns is not None and person.get("keypoints"):
            _reorder(person, columns, at)
        if person.get("keypoints") and keypoint_names and not names:
            raise DataError(
                f"{at}.keypoints: their names are unknown; list them in the category as `keypoints`"
            )
        _complete_area(person, at)
        people.append(person)
    category = {"id": PERSON_ID, "name": "person"} | ({"keypoints": names} if names else {})
    return CocoPeople({**data, "images": images, "annotations": people, "categories": [category]}, category_id)


def has_keypoints(data: Any) -> bool:
    """Whether a category of a parsed COCO-style file has keypoints."""
    categories = data.get("categories") if isinstance(data, Mapping) else None
    return isinstance(categories, list) and any(
        isinstance(category, Mapping) and bool(category.get("keypoints")) for category in categories
    )


def read_id(value: object, where: str) -> int:
    """Take a whole number, which may be written as 3.0 or "3".

    Raises:
        DataError: It is something else.
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:20])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) < _LARGEST_ID or value != int(value):  # type: ignore[arg-type,call-overload]
        raise DataError(f"{where}: expected a whole number, found {_show(value)}; give whole numbers")
    return int(value)  # type: ignore[call-overload,no-any-return]


def measure_area(entry: Mapping[str, Any]) -> float | None:
    """Measure the area of an annotation: of its mask, else of its box; None if it has neither.

    Args:
        entry: With COCO's `segmentation` (polygons or run lengths) or `bbox` (xywh).
    """
    outline = entry.get("segmentation")
    try:
        if isinstance(outline, Mapping):
            from pycocotools import mask as mask_api

            counts = outline["counts"]
            area = sum(counts[1::2]) if isinstance(counts, list) else mask_api.area(dict(outline))
        elif outline:
            area = sum(_measure_polygon(part) for part in outline)
        else:
            _, _, width, height = entry["bbox"]
            area = width * height
        return float(area) if 0 <= area < math.inf else None
    except (KeyError, TypeError, ValueError):
        return None


def _measure_polygon(polygon: Sequence[float]) -> float:
    x, y = np.asarray(polygon, np.float64).reshape(-1, 2).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _take_list(data: Any, key: str, where: str) -> list[Any]:
    if not isinstance(data, Mapping) or not isinstance(data.get(key), list):
        raise DataError(f"{where}: no list `{key}`; is it a COCO file?")
    entries: list[Any] = data[key]
    return entries


def _take_images(data: Any, where: str) -> list[dict[str, Any]]:
    images: dict[int, dict[str, Any]] = {}
    for i, image in enumerate(_take_list(data, "images", where)):
        if not isinstance(image, Mapping) or not {"id", "file_name"} <= image.keys():
            raise DataError(f"{where}: images[{i}]: expected id and file_name")
        image_id = read_id(image["id"], f"{where}: images[{i}].id")
        if image_id in images:
            raise DataError(
                f"{where}: images[{i}].id: image {image_id} stands twice; give every image its own id"
            )
        images[image_id] = {**image, "id": image_id}
    return list(images.values())


def _take_category(
    data: Mapping[str, Any], where: str, *, needs_keypoints: bool
) -> tuple[dict[int, Mapping[str, Any]], int | None]:
    """The categories by id, and the position of the people's."""
    categories: dict[int, Mapping[str, Any]] = {}
    entries = _take_list(data, "categories", where) if "categories" in data else []
    for i, category in enumerate(entries):
        at = f"{where}: categories[{i}]"
        if not isinstance(category, Mapping):
            raise DataError(f"{at}: expected an object, found {_show(category)}; take it out")
        category_id = read_id(category.get("id"), f"{at}.id")
        if category_id in categories:
            raise DataError(f"{at}.id: category {category_id} stands twice; give every category its own id")
        categories[category_id] = category
    posed = [i for i, category in enumerate(entries) if category.get("keypoints")]
    named = [i for i, category in enumerate(entries) if category.get("name") == "person"]
    if not needs_keypoints:
        found = next((each for each in (named, posed, list(range(len(entries)))) if len(each) == 1), [None])
        return categories, found[0]
    if not posed:
        raise DataError(
            f"{where}: categories: none has keypoints; list the names of the people's in their category, as "
            "`keypoints`"
        )
    found = posed if len(posed) == 1 else [i for i in posed if i in named]
    if len(found) != 1:
        raise DataError(
            f"{where}: categories: {len(posed)} have keypoints, {len(found)} of them with the name person; "
            "name the people's category so, and only that"
        )
    return categories, found[0]


def _is_of(entry: Mapping[str, Any], category_id: int, categories: Mapping[int, object], at: str) -> bool:
    """Whether an annotation is of this category; in files of one category it need not say so."""
    if "category_id" not in entry and len(categories) == 1:
        return True
    found = read_id(entry.get("category_id"), f"{at}.category_id")
    if found not in categories:
        raise DataError(f"{at}.category_id: no category {found} in the file; add it")
    return found == category_id


def simplify_names(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Write names of keypoints as the wanted ones are, where they are the same but for spelling."""
    plain = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in names]
    return [name if name in wanted else _OTHER_NAMES.get(name, name) for name in plain]


def _find_columns(names: object, wanted: Sequence[str], at: str) -> list[int] | None:
    """For each wanted keypoint its position in the file; None if the order is the same."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{at}: expected a list of keypoint names, found {_show(names)}")
    plain = simplify_names(names, wanted)
    for name in wanted:
        if plain.count(name) != 1:
            found = "stands twice" if name in plain else f"is missing among the {len(plain)} names"
            raise DataError(
                f"{at}: '{name}' {found}; name the keypoints as the skeleton does, or take another skeleton "
                "(data.skeleton)"
            )
    columns = [plain.index(name) for name in wanted]
    return None if columns == list(range(len(plain))) else columns


def _reorder(person: dict[str, Any], columns: list[int], at: str) -> None:
    """Put keypoints, and their scores, in the wanted order."""
    flat, scores = person["keypoints"], person.get("keypoint_scores")
    try:
        person["keypoints"] = [
            value for k in columns for value in (flat[3 * k], flat[3 * k + 1], flat[3 * k + 2])
        ]
        if scores:
            person["keypoint_scores"] = [scores[k] for k in columns]
    except (IndexError, TypeError, KeyError) as error:
        raise DataError(f"{at}.keypoints: fewer than the category has names; correct them") from error
    # Where the file has more keypoints than are wanted, it counts more.
    person.pop("num_keypoints", None)


def _complete_area(person: dict[str, Any], at: str) -> None:
    area = person.get("area")
    if area is None:
        # Without a valid box either, there is nothing to measure; boxes are checked where they are read.
        measured = measure_area(person)
        person.pop("area", None)
        person.update({} if measured is None else {"area": measured})
    elif isinstance(area, bool) or not isinstance(area, int | float) or not 0 <= area < math.inf:
        raise DataError(
            f"{at}.area: expected 0 or more square pixels, found {_show(area)}; correct it or take it out"
        )


def _show(value: object) -> str:
    return "nothing" if value is None else " ".join(reprlib.repr(value).split())
