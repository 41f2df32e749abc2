"""Annotated people of DensePose's data sets: COCO's form with the fields `dp_*`, and regions to ignore."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.data.coco_people import read_id, unify_people
from models.densepose.annotations import (
    SurfaceMasks,
    SurfacePoints,
    read_surface_masks,
    read_surface_points,
)
from models.image_size import MAX_PIXELS
from models.training.errors import DataError
from posetrack.errors import ResultsError
from posetrack.evaluation.coco_files import keep_images
from posetrack.json_fields import (
    expect_flag,
    expect_list,
    expect_numbers,
    expect_whole,
    make_error,
    read_json,
)
from posetrack.results.dense_boxes import BoxXYWH, read_box

_LARGEST_SIDE_PX = 10**5
_MOST_BOX_PIXELS = 2**26
_FEWEST_CORNERS = 3


@dataclass(frozen=True)
class SurfacePerson:
    """An annotated person.

    Attributes:
        id: Number of the annotation.
        box: The box.
        area: In px2, as annotated.
        is_crowd: Whether it is a group.
        points: The annotated points; None for a person without DensePose.
        masks: The painted parts; None where there are none.
        outline: COCO's `segmentation`; may be empty.
        where: Name in messages.
    """

    id: int
    box: BoxXYWH
    area: float
    is_crowd: bool
    points: SurfacePoints | None
    masks: SurfaceMasks | None
    outline: Any
    where: str


@dataclass(frozen=True)
class SurfaceImage:
    """An annotated image.

    Attributes:
        id: Its number.
        height: Pixels.
        width: Pixels.
        people: Annotated people in the order of the file.
        ignored: Polygons x1, y1, x2, y2, ... of regions to ignore.
        where: Name in messages.
    """

    id: int
    height: int
    width: int
    people: tuple[SurfacePerson, ...]
    ignored: tuple[list[float], ...]
    where: str


@dataclass(frozen=True)
class SurfaceTruth:
    """The content of an annotation file.

    Attributes:
        name: Its name in messages.
        images: By number, ascending.
        file_names: Number of each image by its file name.
        category_id: Number of the people's category in the file; None if it has no other.
        content: The file in COCO's form, people alone, for the evaluation of boxes.
    """

    name: str
    images: dict[int, SurfaceImage]
    file_names: dict[str, int]
    category_id: int | None
    content: Mapping[str, Any]


def read_surface_truth(path: Path) -> SurfaceTruth:
    """Read the annotations of a file.

    Raises:
        ResultsError: It cannot be read, is not such a file, or nobody in it has DensePose.
    """
    try:
        return _decode(read_json(path), str(path))
    except DataError as error:
        raise ResultsError(str(error)) from error


def keep_truth(truth: SurfaceTruth, image_ids: Iterable[int]) -> SurfaceTruth:
    """Select the annotations of some images."""
    kept = set(image_ids)
    images = {number: image for number, image in truth.images.items() if number in kept}
    return replace(truth, images=images, content=keep_images(truth.content, kept))


def _decode(data: Any, name: str) -> SurfaceTruth:
    unified = unify_people(data, None, name, needs_keypoints=False)
    content = unified.content
    people: dict[int, list[SurfacePerson]] = {image["id"]: [] for image in content["images"]}
    seen: set[int] = set()
    for entry in content["annotations"]:
        image_id = entry["image_id"]
        person_id = read_id(entry.get("id"), f"{name}: annotations: image {image_id}: id")
        where = f"{name}: annotation {person_id}"
        if person_id in seen:
            raise ResultsError(f"{where}: stands twice; give every annotation its own id")
        seen.add(person_id)
        person = _decode_person(entry, person_id, where)
        if image_id in people:
            people[image_id].append(person)
    if not people:
        raise ResultsError(f"{name}: images: none; nothing to evaluate")
    if not any(person.points is not None for found in people.values() for person in found):
        raise ResultsError(f"{name}: nobody has dp_x; take annotations of DensePose")
    images = {
        entry["id"]: _decode_image(entry, tuple(people[entry["id"]]), f"{name}: image {entry['id']}")
        for entry in sorted(content["images"], key=lambda entry: int(entry["id"]))
    }
    names = {str(entry["file_name"]): int(entry["id"]) for entry in content["images"]}
    return SurfaceTruth(name, images, names, unified.category_id, content)


def _decode_person(entry: Mapping[str, Any], person_id: int, where: str) -> SurfacePerson:
    box = read_box(entry.get("bbox"), f"{where}: bbox")
    if box.w * box.h > _MOST_BOX_PIXELS:
        raise make_error(f"{where}: bbox", f"at most {_MOST_BOX_PIXELS} pixels", box.w * box.h)
    return SurfacePerson(
        id=person_id,
        box=box,
        area=float(entry["area"]),
        is_crowd="iscrowd" in entry and expect_flag(entry["iscrowd"], f"{where}: iscrowd"),
        points=read_surface_points(entry, where),
        masks=read_surface_masks(entry, where),
        outline=entry.get("segmentation"),
        where=where,
    )


def _decode_image(entry: Mapping[str, Any], people: tuple[SurfacePerson, ...], where: str) -> SurfaceImage:
    height, width = (_read_side(entry.get(side), f"{where}: {side}") for side in ("height", "width"))
    if height * width > MAX_PIXELS:
        raise make_error(f"{where}: height, width", f"at most {MAX_PIXELS} pixels", height * width)
    columns = [
        expect_list(entry.get(f"ignore_regions_{axis}") or [], f"{where}: ignore_regions_{axis}")
        for axis in "xy"
    ]
    if len(columns[0]) != len(columns[1]):
        raise ResultsError(
            f"{where}: ignore_regions_y: {len(columns[1])} regions, but ignore_regions_x has "
            f"{len(columns[0])}; correct them"
        )
    polygons = []
    for i, (x, y) in enumerate(zip(*columns, strict=True)):
        count = len(expect_list(x, f"{where}: ignore_regions_x[{i}]"))
        corners = [
            expect_numbers(x, count, f"{where}: ignore_regions_x[{i}]"),
            expect_numbers(y, count, f"{where}: ignore_regions_y[{i}]"),
        ]
        if count >= _FEWEST_CORNERS:
            polygons.append(np.array(corners, np.float64).T.ravel().tolist())
    return SurfaceImage(entry["id"], height, width, people, tuple(polygons), where)


def _read_side(value: Any, where: str) -> int:
    side = expect_whole(value, where)
    if not 0 < side <= _LARGEST_SIDE_PX:
        raise make_error(where, f"1 to {_LARGEST_SIDE_PX} pixels", value)
    return side
