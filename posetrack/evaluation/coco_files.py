"""Reading and validation of COCO files for pycocotools, which only asserts, or passes unchecked data to C."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data.coco_people import measure_area, simplify_names
from posetrack.errors import ResultsError
from posetrack.json_fields import expect_array, expect_id, expect_whole, make_error, read_json
from posetrack.results.coco_masks import compute_mask_area, encode_mask

Numbers = npt.NDArray[np.float64]

_LARGEST_SIDE_PX = 10**5


@dataclass(frozen=True)
class CocoAnnotations:
    """Validated annotations for pycocotools; their arrays are copies.

    Attributes:
        name: Name in error messages: the file.
        images: The image entries by id, in the order of the ids.
        categories: The evaluated categories, each with an `id`.
        annotations: The annotations of these images and categories.
        keypoint_names: K names; empty if keypoints are not evaluated.
    """

    name: str
    images: dict[int, Mapping[str, Any]]
    categories: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    keypoint_names: tuple[str, ...]

    @property
    def sigmas(self) -> tuple[float, ...] | None:
        """OKS sigmas that the category of the keypoints states, as in our own files; None without any."""
        stated = next((entry["sigmas"] for entry in self.categories if entry.get("sigmas")), None)
        if not isinstance(stated, list) or not all(type(each) in (int, float) for each in stated):
            return None
        return tuple(stated) if self.keypoint_names else None

    @property
    def num_keypoints(self) -> int:
        """K; 0 if keypoints are not evaluated."""
        return len(self.keypoint_names)


def read_coco_annotations(path: Path | str) -> dict[str, Any]:
    """Read a COCO annotation file; `evaluate_coco` validates its content.

    Args:
        path: JSON with `images`, `annotations` and `categories`.

    Returns:
        The object in the file.

    Raises:
        ResultsError: The file cannot be read, is not JSON, or is not an object.
    """
    dataset = read_json(Path(path))
    if not isinstance(dataset, dict):
        raise make_error(str(path), "an object with images, annotations and categories", dataset)
    return dataset


def read_coco_results(path: Path | str, annotations: Mapping[str, Any] | None = None) -> list[Any]:
    """Read COCO results; `evaluate_coco` validates their content.

    Args:
        path: JSON: a list of results, or an object whose `annotations` have scores (as `posetrack convert --to
            coco` writes).
        annotations: Content of the annotation file. If the results' file names the same keypoints in another
            order, they are put in that of the annotations.

    Returns:
        The results.

    Raises:
        ResultsError: The file cannot be read, is not JSON, or contains no results.
    """
    content = read_json(Path(path))
    results = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(results, list):
        raise make_error(str(path), "a list of results, or an object with 'annotations'", results)
    columns = None
    if isinstance(content, dict) and annotations is not None:
        columns = _compare_names(_find_names(content), _find_names(annotations))
    return results if columns is None else [_reorder(entry, columns) for entry in results]


def _find_names(dataset: Mapping[str, Any]) -> list[str] | None:
    """Names of the keypoints of the only category with keypoints."""
    categories = dataset.get("categories")
    if not isinstance(categories, list):
        return None
    found = [entry["keypoints"] for entry in categories if isinstance(entry, dict) and entry.get("keypoints")]
    is_valid = (
        len(found) == 1 and isinstance(found[0], list) and all(isinstance(each, str) for each in found[0])
    )
    return found[0] if is_valid else None


def _compare_names(names: list[str] | None, wanted: list[str] | None) -> list[int] | None:
    """For each wanted keypoint its position; None where the order is the same or these are other keypoints."""
    if names is None or wanted is None or len(set(wanted)) < len(wanted):
        return None
    names = simplify_names(names, wanted)
    if names == wanted or sorted(names) != sorted(wanted):
        return None
    return [names.index(name) for name in wanted]


def _reorder(entry: Any, columns: list[int]) -> Any:
    flat = entry.get("keypoints") if isinstance(entry, dict) else None
    if not isinstance(flat, list) or len(flat) != 3 * len(columns):
        return entry
    return {**entry, "keypoints": [value for k in columns for value in flat[3 * k : 3 * k + 3]]}


def keep_images(dataset: Mapping[str, Any], image_ids: Iterable[int]) -> dict[str, Any]:
    """Select the annotations of some images.

    Args:
        dataset: With `images` and `annotations`.
        image_ids: The images to keep.

    Returns:
        A copy with these only.
    """
    kept = set(image_ids)
    return {
        **dataset,
        "images": [image for image in dataset["images"] if image["id"] in kept],
        "annotations": [entry for entry in dataset["annotations"] if entry["image_id"] in kept],
    }


def check_annotations(dataset: object, iou_type: str, name: str, *, needs_area: bool = True) -> CocoAnnotations:
    """Validate annotations and copy what their evaluation needs, adding missing `iscrowd` and `num_keypoints`.

    Annotations of images that are not listed, and of categories without keypoints if those are evaluated, are
    left out, as in pycocotools.

    Args:
        dataset: With `images`, `annotations` and `categories`.
        iou_type: `keypoints`, `bbox` or `segm`.
        name: Name of the annotations in error messages: the file.
        needs_area: Whether areas are used: a missing one is then that of the mask, or of the box; else it is 0.

    Returns:
        The validated copy.

    Raises:
        ResultsError: Something is missing or not valid; the message names the place.
    """
    if not isinstance(dataset, Mapping):
        raise make_error(name, "an object with images, annotations and categories", dataset)
    images = _check_images(dataset, name, needs_size=iou_type == "segm")
    entries = dict(_each_entry(_take_list(dataset, "categories", name), f"{name}: categories"))
    known = {expect_id(entry.get("id"), f"{where}.id") for where, entry in entries.items()}
    categories, keypoint_names = _choose_categories(entries, iou_type, name)
    chosen = {category["id"] for category in categories}
    annotations = []
    for where, entry in _each_entry(_take_list(dataset, "annotations", name), f"{name}: annotations"):
        image_id = expect_id(entry.get("image_id"), f"{where}.image_id")
        category_id = expect_id(entry.get("category_id"), f"{where}.category_id")
        if category_id not in known:
            raise ResultsError(f"{where}.category_id: no category {category_id} in the file; add it")
        if image_id in images and category_id in chosen:
            fields = _check_annotation(entry, where, iou_type, len(keypoint_names), needs_area=needs_area)
            if iou_type == "segm":
                fields["segmentation"] = _take_mask(entry, where, images[image_id])
            annotations.append({"image_id": image_id, "category_id": category_id, **fields})
    if not annotations:
        raise ResultsError(
            f"{name}: annotations: none of the listed images and categories; nothing to evaluate"
        )
    return CocoAnnotations(name, images, categories, annotations, keypoint_names)


def check_results(
    results: object, annotations: CocoAnnotations, iou_type: str, name: str
) -> list[dict[str, Any]]:
    """Validate results against the annotations and copy what their evaluation needs.

    Results of categories that are not evaluated are left out, as in pycocotools, unless that leaves none.

    Args:
        results: A list of objects with `image_id`, `category_id`, `score` and `keypoints`, `bbox` or
            `segmentation`.
        annotations: Validated annotations.
        iou_type: `keypoints`, `bbox` or `segm`.
        name: Name of the results in error messages: the file.

    Returns:
        The validated copies, each with an `area` in px2: of the mask, of the box, or else of the bounding box
        of the keypoints.

    Raises:
        ResultsError: Something is missing or not valid; the message names the place.
    """
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        raise make_error(name, "a list of results", results)
    chosen = {category["id"] for category in annotations.categories}
    checked = []
    unknown: list[int] = []
    for where, entry in _each_entry(results, f"{name}: results"):
        image_id = expect_id(entry.get("image_id"), f"{where}.image_id")
        category_id = expect_id(entry.get("category_id"), f"{where}.category_id")
        score = float(expect_array(entry.get("score"), (), f"{where}.score"))
        if image_id not in annotations.images:
            unknown.append(image_id)
        elif category_id in chosen:
            image = annotations.images[image_id]
            fields = _check_result(entry, where, iou_type, annotations.num_keypoints, image)
            checked.append({"image_id": image_id, "category_id": category_id, "score": score, **fields})
    if unknown:
        images = len(set(unknown))
        raise ResultsError(
            f"{name}: image {unknown[0]}: not in {annotations.name}, like the images of {len(unknown)} "
            f"results ({images} images) in all; take those results out or add the images"
        )
    if results and not checked:
        wanted = ", ".join(str(i) for i in sorted(chosen))
        raise ResultsError(f"{name}: no result has a category_id that is evaluated; expected {wanted}")
    return checked


def _check_images(dataset: Mapping[str, Any], name: str, *, needs_size: bool) -> dict[int, Mapping[str, Any]]:
    images: dict[int, Mapping[str, Any]] = {}
    for where, entry in _each_entry(_take_list(dataset, "images", name), f"{name}: images"):
        image_id = expect_id(entry.get("id"), f"{where}.id")
        if image_id in images:
            raise ResultsError(f"{where}.id: image {image_id} stands twice; give every image its own id")
        for side in ("height", "width") if needs_size else ():
            if not 0 < expect_whole(entry.get(side), f"{where}.{side}") <= _LARGEST_SIDE_PX:
                raise make_error(f"{where}.{side}", f"1 to {_LARGEST_SIDE_PX} pixels", entry[side])
        images[image_id] = {**entry, "id": image_id}
    return dict(sorted(images.items()))


def _choose_categories(
    entries: dict[str, Mapping[str, Any]], iou_type: str, name: str
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The categories to evaluate, those with keypoints if these are asked for, and the keypoints' names."""
    if iou_type != "keypoints":
        return [{"id": expect_id(entry["id"], f"{where}.id")} for where, entry in entries.items()], ()
    found: dict[int, tuple[str, ...]] = {}
    stated: dict[int, object] = {}
    for where, entry in entries.items():
        names = entry.get("keypoints")
        if names is None:
            continue
        if not isinstance(names, Sequence) or not names or not all(isinstance(each, str) for each in names):
            raise make_error(f"{where}.keypoints", "a list of keypoint names", names)
        found[expect_id(entry["id"], f"{where}.id")] = tuple(names)
        stated[expect_id(entry["id"], f"{where}.id")] = entry.get("sigmas")
    if not found:
        raise ResultsError(f"{name}: categories: none has keypoints; take a keypoints file, or --type bbox")
    if len({len(names) for names in found.values()}) > 1:
        raise ResultsError(f"{name}: categories: their numbers of keypoints differ; evaluate one at a time")
    categories = [{"id": category_id, "sigmas": stated[category_id]} for category_id in found]
    return categories, next(iter(found.values()))


def _check_annotation(
    entry: Mapping[str, Any], where: str, iou_type: str, num_keypoints: int, *, needs_area: bool
) -> dict[str, Any]:
    fields: dict[str, Any] = {"iscrowd": 0, "area": 0.0}
    if "iscrowd" in entry:
        fields["iscrowd"] = expect_whole(entry.get("iscrowd"), f"{where}.iscrowd")
        if fields["iscrowd"] not in (0, 1):
            raise make_error(f"{where}.iscrowd", "0 or 1", entry["iscrowd"])
    if needs_area:
        area = measure_area(entry) if entry.get("area") is None else entry["area"]
        fields["area"] = float(expect_array(area, (), f"{where}.area"))
        if fields["area"] < 0:
            raise make_error(f"{where}.area", "0 or more square pixels", entry["area"])
    if iou_type != "segm":
        fields["bbox"] = _take_box(entry, where)
    if iou_type == "keypoints":
        fields["keypoints"] = _take_keypoints(entry, where, num_keypoints)
        fields["num_keypoints"] = int(np.count_nonzero(fields["keypoints"][2::3] > 0))
        if "num_keypoints" in entry:
            fields["num_keypoints"] = expect_whole(entry.get("num_keypoints"), f"{where}.num_keypoints")
    return fields


def _check_result(
    entry: Mapping[str, Any], where: str, iou_type: str, num_keypoints: int, image: Mapping[str, Any]
) -> dict[str, Any]:
    if iou_type == "segm":
        mask = _take_mask(entry, where, image)
        return {"segmentation": mask, "area": compute_mask_area(mask)}
    fields: dict[str, Any] = {}
    if iou_type == "keypoints":
        fields["keypoints"] = keypoints = _take_keypoints(entry, where, num_keypoints)
        fields["area"] = float(np.ptp(keypoints[0::3]) * np.ptp(keypoints[1::3]))
    if iou_type == "bbox" or entry.get("bbox") not in (None, []):
        fields["bbox"] = box = _take_box(entry, where)
        fields["area"] = box[2] * box[3]
    return fields


def _each_entry(entries: Sequence[Any], where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a list, each with its place: `file: annotations[3]`."""
    for i, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise make_error(f"{where}[{i}]", "an object", entry)
        yield f"{where}[{i}]", entry


def _take_list(dataset: Mapping[str, Any], key: str, name: str) -> Sequence[Any]:
    entries = dataset.get(key)
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes) or not entries:
        raise make_error(f"{name}: {key}", "a list that is not empty", entries)
    return entries


def _take_keypoints(entry: Mapping[str, Any], where: str, num_keypoints: int) -> Numbers:
    value = entry.get("keypoints")
    if isinstance(value, Sequence) and len(value) % 3 == 0 and 0 < len(value) != 3 * num_keypoints:
        raise ResultsError(
            f"{where}.keypoints: {len(value) // 3} keypoints, but the annotations' category has "
            f"{num_keypoints}; use results and annotations of one skeleton"
        )
    return expect_array(entry.get("keypoints"), (3 * num_keypoints,), f"{where}.keypoints")


def _take_box(entry: Mapping[str, Any], where: str) -> list[float]:
    box: list[float] = expect_array(entry.get("bbox"), (4,), f"{where}.bbox").tolist()
    if box[2] < 0 or box[3] < 0:
        raise make_error(f"{where}.bbox", "x, y, width and height, none of the last two negative", box)
    return box


def _take_mask(entry: Mapping[str, Any], where: str, image: Mapping[str, Any]) -> dict[str, Any]:
    return encode_mask(entry.get("segmentation"), image["height"], image["width"], f"{where}.segmentation")
