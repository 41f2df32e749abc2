"""Check of a data set's annotations: ids, categories, names, boxes, keypoints, duplicates and orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from models.data.coco_people import read_id, simplify_names
from models.data.outlines import check_outline
from models.training.errors import DataError
from posetrack.data_sets.findings import Findings
from posetrack.data_sets.parts import DataSetPart
from posetrack.data_sets.surface_checks import check_ignored_regions, check_surface
from posetrack.json_fields import read_array
from posetrack.skeleton import SKELETONS
from posetrack.video.images import natural_key

# A point or a side of a box may lie on the border, or be rounded beyond it.
_MARGIN_PX = 1.0
_VISIBILITIES = (0, 1, 2)
# For a suspicion of swapped sides: fewer people say nothing, and more of them look at the camera than away.
_LEAST_FACING = 20
_MOST_SWAPPED = 0.7


@dataclass
class Counts:
    """What a part holds.

    Attributes:
        people: Number of people, without crowds.
        crowds: Number of crowds.
        posed: Number of people with a known keypoint.
        dense: Number of people with a dense annotation.
        names: Names of the keypoints.
        known: Number of known points of each keypoint.
    """

    people: int = 0
    crowds: int = 0
    posed: int = 0
    dense: int = 0
    names: list[str] = field(default_factory=list)
    known: list[int] = field(default_factory=list)


def check_image_entries(part: DataSetPart, findings: Findings) -> dict[int, int]:
    """Check ids, names and order of a part's images; returns the position of each id."""
    positions: dict[int, int] = {}
    names: dict[str, int] = {}
    for i, image in enumerate(part.images):
        at = f"{part.name}: images[{i}]"
        image_id = _take_id(image.get("id"), f"{at}.id", findings)
        if image_id in positions:
            findings.add_fault("image ids that stand twice", f"{at}.id: {image_id}")
        elif image_id is not None:
            positions[image_id] = i
        check_ignored_regions(image, at, findings)
        name = image.get("file_name")
        if not isinstance(name, str) or not name:
            findings.add_fault("images without a file name", at)
        elif name in names:
            findings.add_fault("images that are listed twice", f"{at}: {name}, as images[{names[name]}]")
        else:
            names[name] = i
    ordered = list(names)
    if part.is_sequence:
        for before, after in pairwise(ordered):
            if natural_key(before) > natural_key(after):
                findings.add_fault(
                    "sequences whose frames are not in order", f"{part.name}: {after} after {before}"
                )
                break
    return positions


def check_people(
    part: DataSetPart, positions: Mapping[int, int], sizes: Sequence[tuple[int, int] | None], findings: Findings
) -> Counts:
    """Check the annotations of a part.

    Args:
        part: The part.
        positions: The position of each image id.
        sizes: Width and height of each image, if known.
        findings: Gets what is found.
    """
    if not part.annotations and part.categories is None:
        return Counts()
    category_ids, category_id, names = _check_categories(part, findings)
    counts = Counts(names=names, known=[0] * len(names))
    seen_ids: set[int] = set()
    seen: dict[str, int] = {}
    tracks: set[tuple[int, int]] = set()
    facing: list[bool] = []
    for i, entry in enumerate(part.annotations):
        at = f"{part.name}: annotations[{i}]"
        if not _is_person(entry, category_id, category_ids, at, findings):
            continue
        annotation_id = _take_id(entry["id"], f"{at}.id", findings) if "id" in entry else None
        if annotation_id is not None and annotation_id in seen_ids:
            findings.add_fault("annotation ids that stand twice", f"{at}.id: {annotation_id}")
        seen_ids |= {annotation_id} if annotation_id is not None else set()
        image_id = _take_id(entry.get("image_id"), f"{at}.image_id", findings)
        if image_id is None:
            continue
        if image_id not in positions:
            findings.add_fault("annotations of images that are not listed", f"{at}.image_id: {image_id}")
            continue
        size = sizes[positions[image_id]]
        same = repr((image_id, entry.get("bbox"), entry.get("keypoints"), entry.get("segmentation")))
        if same in seen:
            findings.add_fault("annotations that stand twice", f"{at}: as annotations[{seen[same]}]")
        seen.setdefault(same, i)
        _check_track(entry, image_id, at, tracks, findings)
        _check_box(entry, size, at, part, findings)
        _check_mask(entry, size, at, findings)
        counts.dense += check_surface(entry, at, findings)
        if entry.get("iscrowd"):
            counts.crowds += 1
            continue
        counts.people += 1
        points = _check_keypoints(entry, len(names), size, at, findings)
        if points is None:
            continue
        known = points[:, 2] > 0
        counts.known = [count + int(is_known) for count, is_known in zip(counts.known, known, strict=True)]
        counts.posed += bool(known.any())
        if not known.any():
            findings.add_note("people without a known keypoint", at)
        facing += _see_sides(points, known, names)
    if len(facing) >= _LEAST_FACING and np.mean(facing) < 1 - _MOST_SWAPPED:
        findings.add_note(
            "keypoints whose sides may be swapped", f"{part.name}: {facing.count(False)} of {len(facing)} faces"
        )
    return counts


def _take_id(value: object, at: str, findings: Findings) -> int | None:
    try:
        number = read_id(value, at)
    except DataError:
        findings.add_fault("ids that are no whole numbers", f"{at}: {value!r:.40}")
        return None
    if type(value) is not int:
        findings.add_note("ids that are written as text or as 1.0", f"{at}: {value!r:.40}")
    return number


def _check_categories(part: DataSetPart, findings: Findings) -> tuple[list[int | None], int | None, list[str]]:
    """Check the categories; returns all numbers, the people's (None: all are people) and their keypoints."""
    entries = part.categories or []
    ids: list[int | None] = []
    for i, entry in enumerate(entries):
        at = f"{part.name}: categories[{i}].id"
        # PoseTrack18's predictions have no numbers.
        number = _take_id(entry.get("id"), at, findings) if "id" in entry or len(entries) > 1 else None
        if number is not None and number in ids:
            findings.add_fault("category ids that stand twice", f"{at}: {number}")
        ids.append(number)
    posed = [i for i, entry in enumerate(entries) if entry.get("keypoints")]
    named = [i for i, entry in enumerate(entries) if entry.get("name") == "person"]
    found = posed if len(posed) == 1 else [i for i in posed if i in named] or (named if not posed else [])
    if len(found) != 1:
        if posed or len(entries) != 1:
            kind = "files whose category of people is not clear"
            findings.add_fault(kind, f"{part.name}: {len(posed)} with keypoints, {len(named)} named person")
        return ids, (ids[0] if len(ids) == 1 else None), []
    names = entries[found[0]].get("keypoints") or []
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        findings.add_fault("files whose keypoints have no valid names", part.name)
        return ids, ids[found[0]], []
    _check_names(list(names), part, findings)
    return ids, ids[found[0]], list(names)


def _check_names(names: list[str], part: DataSetPart, findings: Findings) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        findings.add_fault("keypoint names that stand twice", f"{part.name}: {twice}")
    for skeleton in SKELETONS.values():
        plain = simplify_names(names, skeleton.names)
        if sorted(plain) == sorted(skeleton.names) and plain != list(skeleton.names):
            k = next(k for k, name in enumerate(plain) if name != skeleton.names[k])
            findings.add_note(
                f"files whose keypoints are not in the order of {skeleton.name} (they are found by name)",
                f"{part.name}: {names[k]} at {k}, not {skeleton.names[k]}",
            )


def _is_person(
    entry: Mapping[str, Any], category_id: int | None, known: Sequence[int | None], at: str, findings: Findings
) -> bool:
    if not entry:
        findings.add_fault("annotations that are no objects", at)
        return False
    if category_id is None or ("category_id" not in entry and len(known) == 1):
        return True
    number = _take_id(entry.get("category_id"), f"{at}.category_id", findings)
    if number is not None and number not in known:
        findings.add_fault("annotations of categories that are not listed", f"{at}.category_id: {number}")
    return number == category_id


def _check_track(
    entry: Mapping[str, Any], image_id: int, at: str, tracks: set[tuple[int, int]], findings: Findings
) -> None:
    if entry.get("track_id") is None:
        return
    track_id = _take_id(entry["track_id"], f"{at}.track_id", findings)
    if track_id is None or track_id < 0:
        return
    if (image_id, track_id) in tracks:
        findings.add_fault("track ids that stand twice in a frame", f"{at}.track_id: {track_id}")
    tracks.add((image_id, track_id))


def _check_box(
    entry: Mapping[str, Any], size: tuple[int, int] | None, at: str, part: DataSetPart, findings: Findings
) -> None:
    if entry.get("bbox") is None:
        if part.has_boxes:
            findings.add_fault("people without a box", at)
        return
    box = read_array(entry["bbox"])
    if box is None or box.shape != (4,) or not np.isfinite(box).all():
        findings.add_fault("boxes that are not four numbers", f"{at}.bbox: {entry['bbox']!r:.60}")
        return
    x, y, width, height = box.tolist()
    area = entry.get("area")
    if area is not None and (not isinstance(area, int | float) or not 0 <= area < np.inf):
        findings.add_fault("areas that are not 0 or more", f"{at}.area: {area!r:.40}")
    elif area is None and part.has_boxes:
        findings.add_note("people without an area (that of the mask or the box is taken)", at)
    if width <= 0 or height <= 0:
        findings.add_fault("boxes without an area", f"{at}.bbox: {entry['bbox']}")
    elif size is not None and (x >= size[0] or y >= size[1] or x + width <= 0 or y + height <= 0):
        findings.add_fault("boxes outside the image", f"{at}.bbox: {entry['bbox']} in {size[0]}x{size[1]}")
    elif size is not None and (
        min(x, y) < -_MARGIN_PX or x + width > size[0] + _MARGIN_PX or y + height > size[1] + _MARGIN_PX
    ):
        findings.add_note(
            "boxes that reach beyond the image", f"{at}.bbox: {entry['bbox']} in {size[0]}x{size[1]}"
        )


def _check_mask(entry: Mapping[str, Any], size: tuple[int, int] | None, at: str, findings: Findings) -> None:
    if entry.get("segmentation"):
        try:
            check_outline(entry["segmentation"], size, f"{at}.segmentation")
        except DataError as error:
            findings.add_fault("masks that cannot be read", str(error))


def _check_keypoints(
    entry: Mapping[str, Any], count: int, size: tuple[int, int] | None, at: str, findings: Findings
) -> np.ndarray[Any, Any] | None:
    """Check the keypoints of a person; returns (K, 3), or None if there are none that can be read."""
    flat = entry.get("keypoints")
    if not flat:
        findings.add_note("people without a known keypoint", at)
        return None
    numbers = read_array(flat)
    if numbers is None or numbers.ndim != 1 or len(numbers) != 3 * count:
        found = len(flat) if isinstance(flat, list) else 0
        findings.add_fault(
            "keypoints that are not x, y and v of each name", f"{at}.keypoints: {found} for {count} names"
        )
        return None
    if not np.isfinite(numbers).all():
        findings.add_fault("keypoints that are not finite", at)
        return None
    points: np.ndarray[Any, Any] = numbers.reshape(-1, 3).astype(np.float64)
    odd = ~np.isin(points[:, 2], _VISIBILITIES)
    if odd.any():
        findings.add_fault("visibilities other than 0, 1 and 2", f"{at}.keypoints: {points[odd, 2][0]:g}")
    known = points[:, 2] > 0
    if size is not None and known.any():
        low, high = points[known, :2].min(axis=0), points[known, :2].max(axis=0)
        if (low < -_MARGIN_PX).any() or (high > np.array(size) + _MARGIN_PX).any():
            beyond = (points[:, :2] < -_MARGIN_PX).any(axis=1) | (
                points[:, :2] > np.array(size) + _MARGIN_PX
            ).any(axis=1)
            x, y = points[np.flatnonzero(known & beyond)[0], :2]
            findings.add_fault(
                "people with points outside the image", f"{at}: ({x:g}, {y:g}) in {size[0]}x{size[1]}"
            )
    number = entry.get("num_keypoints", 0)
    if isinstance(number, bool) or not isinstance(number, int | float):
        findings.add_fault("num_keypoints that are no numbers", f"{at}.num_keypoints: {number!r:.20}")
    elif "num_keypoints" in entry and number != int(known.sum()):
        findings.add_note(
            "people whose num_keypoints is not the number of their points",
            f"{at}.num_keypoints: {entry['num_keypoints']!r:.20}, but {int(known.sum())}",
        )
    return points


def _see_sides(points: np.ndarray[Any, Any], known: np.ndarray[Any, Any], names: Sequence[str]) -> list[bool]:
    """Whether the left eye is on the image's right, as of people who look at the camera; empty if not known."""
    wanted = ("nose", "left_eye", "right_eye")
    if not all(name in names and known[names.index(name)] for name in wanted):
        return []
    return [bool(points[names.index("left_eye"), 0] > points[names.index("right_eye"), 0])]
