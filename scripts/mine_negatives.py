"""Find what a detector takes for people and is none, and cut it out to train on.

    python scripts/mine_negatives.py --gt FILE.json ... --images FOLDER --out FOLDER [--recipe default]
        [--min-score 0.5]

A detection that no annotated person or ignored region touches by more than a tenth of its area is false. The
largest part around it without anybody goes to FOLDER/images, and FOLDER/people.json lists them in COCO's form,
without a person: `[[more]]` of a training recipe with `is_peopled_only = false` takes it. Printed are the false
detections by the images' `source`, if they say one, and of made scenes (scripts/furnish_scenes.py) by what was
taken for somebody. Without --out nothing is written: the same command before and after a training shows what it
has learnt.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.data.instances import InstanceSamples, read_coco_instances
from models.training.errors import DataError
from posetrack.build import build_networks
from posetrack.compute import Compute, choose_device
from posetrack.errors import PoseTrackError
from posetrack.outputs import make_part
from posetrack.predictors.networks import Detector
from posetrack.recipe import read_recipe
from trackers.nms import compute_double_iou, compute_intersections

Boxes = npt.NDArray[np.floating]

_MOST_SHARED = 0.1
_LEAST_PX = 56
_STEP_PX = 2
_SHRUNK = 0.12
"""A false box that touches somebody may be so much smaller on each side."""


@dataclass(frozen=True, eq=False)
class Looked:
    """An image that was looked at.

    Attributes:
        image: (H, W, 3) RGB.
        people_xyxy: (N, 4) of everybody known, ignored regions too.
        false_xyxy: (F, 4) of false detections.
        entry: The image's entry in its file.
    """

    image: npt.NDArray[np.uint8]
    people_xyxy: Boxes
    false_xyxy: Boxes
    entry: dict[str, Any]


def main() -> None:
    """Look at all images, write what was found, and print how much it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gt", type=Path, nargs="+", required=True)
    parser.add_argument(
        "--images", type=Path, required=True, help="folder that the files' names are relative to"
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--min-score", type=float, default=0.5)
    arguments = parser.parse_args()
    try:
        mine(arguments)
    except (PoseTrackError, DataError) as error:
        sys.exit(f"error: {error}")


def mine(chosen: argparse.Namespace) -> None:
    """Do what the options say."""
    if chosen.out is not None and chosen.out.is_dir() and any(chosen.out.iterdir()):
        raise DataError(f"{chosen.out}: not empty; use another --out")
    found: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    shown: Counter[str] = Counter()
    crops: list[dict[str, Any]] = []
    networks = build_networks(read_recipe(chosen.recipe), Compute(choose_device()), batch_frames=1)
    for path in chosen.gt:
        for looked in look(path, chosen.images, networks.detector, chosen.min_score):
            found[looked.entry.get("source", path.name)] += len(looked.false_xyxy)
            things = looked.entry.get("things", [])
            shown.update(thing["name"] for thing in things)
            taken.update(things[i]["name"] for i in find_things(looked.false_xyxy, things))
            if chosen.out is not None:
                crops += write_crops(looked, chosen.out, len(crops))
    print(f"{found.total()} false detections from a score of {chosen.min_score:g}")
    for source, count in found.most_common():
        print(f"  {count:6} in {source}")
    for name, count in taken.most_common():
        print(f"  {count:6} of {shown[name]} {name}")
    if chosen.out is not None:
        write_list(chosen.out / "people.json", crops)
        print(f"{chosen.out / 'people.json'}: {len(crops)} images without people")


def look(path: Path, folder: Path, detect: Detector, min_score: float) -> Iterator[Looked]:
    """Look at the images of a file.

    Raises:
        DataError: The file, or an image, cannot be read.
    """
    samples: InstanceSamples = read_coco_instances(path, folder, ()).check_images(str(path))
    entries = {entry["id"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))["images"]}
    for i, file in enumerate(samples.images):
        image = cv2.imread(str(file.path), cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f"{file.path}: cannot be read as an image; remove it from {path}")
        image = np.ascontiguousarray(image[..., ::-1])
        (found,) = detect([image])
        boxes = found.boxes_xyxy[found.box_scores >= min_score]
        people = samples.boxes_xyxy[samples.find_rows(i)]
        is_false = [share(box, people).max(initial=0) < _MOST_SHARED for box in boxes]
        yield Looked(image, people, boxes[np.array(is_false, bool)], entries[int(samples.image_ids[i])])


def share(box: Boxes, others: Boxes) -> Boxes:
    """Fractions (N,) of a box (4,) that lie in each of others (N, 4)."""
    common = compute_intersections(np.asarray(box, np.float64)[None], np.asarray(others, np.float64))[0]
    return np.asarray(common / max(float((box[2:] - box[:2]).prod()), 1e-9))


def find_things(false_xyxy: Boxes, things: list[dict[str, Any]]) -> list[int]:
    """For each false box the thing that it overlaps most with, by IoU; those that are background have none."""
    if not things:
        return []
    boxes = np.array([thing["bbox"] for thing in things], np.float64)
    boxes[:, 2:] += boxes[:, :2]
    overlaps = compute_double_iou(false_xyxy, boxes)
    return [int(row.argmax()) for row in overlaps if row.max() > _MOST_SHARED]


def write_crops(looked: Looked, out: Path, first: int) -> list[dict[str, Any]]:
    """Cut out what is around each false box, and give the entries of the list.

    Raises:
        DataError: The disk is full, or refuses for another reason.
    """
    entries = []
    for box in looked.false_xyxy:
        part = find_part(box, looked.people_xyxy, looked.image.shape[1::-1])
        if part is None:
            continue
        left, top, right, bottom = part
        number = first + len(entries)
        path = out / "images" / f"{number:06d}.png"
        content = cv2.imencode(".png", looked.image[top:bottom, left:right, ::-1])[1].tobytes()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise DataError(f"{path}: not written ({error.strerror})") from error
        size = {"width": right - left, "height": bottom - top}
        entries.append({"id": number + 1, "file_name": f"images/{path.name}", **size})
    return entries


def find_part(box: Boxes, people: Boxes, size_wh: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """The part of an image about a box that grows until it meets people; None if it stays small.

    Args:
        box: (4,).
        people: (N, 4).
        size_wh: Of the image.

    Returns:
        Left, top, right and bottom.
    """

    def is_clear(part: Boxes) -> bool:
        return not share(part, people).any()

    limits = np.array([0, 0, *size_wh], np.float64)
    part = np.clip(np.asarray(box, np.float64), 0, [*size_wh, *size_wh])
    if not is_clear(part):
        sides = part[2:] - part[:2]
        part = part + _SHRUNK * np.concatenate([sides, -sides])
        if not is_clear(part):
            return None
    growing = [0, 1, 2, 3]
    while growing:
        for side in list(growing):
            wider = part.copy()
            wider[side] += -_STEP_PX if side < 2 else _STEP_PX
            is_inside = wider[side] >= 0 if side < 2 else wider[side] <= limits[side]
            if is_inside and is_clear(wider):
                part = wider
            else:
                growing.remove(side)
    left, top, right, bottom = (int(value) for value in part)
    return (left, top, right, bottom) if min(right - left, bottom - top) >= _LEAST_PX else None


def write_list(path: Path, images: list[dict[str, Any]]) -> None:
    """Write the list of images.

    Raises:
        DataError: The disk is full, or refuses for another reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = make_part(path)
        content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "person"}]}
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: not written ({error.strerror})") from error


if __name__ == "__main__":
    main()
