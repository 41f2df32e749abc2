"""Check dense poses of real people without dense labels: is the part at a keypoint one that meets there?

    python scripts/check_dense.py VIDEO ... [--recipe dense] [--every 5] [--min-score 0.5]
    python scripts/check_dense.py --gt people.json --images FOLDER [--recipe dense]

A wrist must lie on the hand or the lower arm of its own side, an ankle on the foot or the lower leg, and so on.
In videos the keypoints are those that the recipe estimates, from a score on: on training photographs 62 % of
the wrists that `thunder-heatmaps-256x192` gives 0.5 to 0.6 are visible and near where people marked them, of
those with 0.4 to 0.5 less than half. With --gt the keypoints are those that people marked as visible, and dense
poses are estimated in the annotated boxes. The part is that of the body's
pixel nearest to the keypoint, within a fraction of the box's longer side.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.data.coco_people import read_coco_people
from models.data.image_files import list_images
from models.densepose.parts import CHART_TO_MASK, MASK_MIRROR, MASK_NAMES
from models.densepose.pixel_box import find_pixels
from posetrack.build import build_networks
from posetrack.compute import Compute, choose_device
from posetrack.errors import PoseTrackError
from posetrack.evaluation.pictures import predict_images
from posetrack.frame import BoolArray, FloatArray, Instances, from_pixel_indices, from_xywh
from posetrack.recipe import Recipe, read_recipe
from posetrack.run.tracker import Tracker
from posetrack.skeleton import COCO_17

_LIMBS = {
    "shoulder": ("torso", "upper arm"),
    "elbow": ("upper arm", "lower arm"),
    "wrist": ("lower arm", "hand"),
    "hip": ("torso", "upper leg"),
    "knee": ("upper leg", "lower leg"),
    "ankle": ("lower leg", "foot"),
}
OUTCOMES = ("right", "other side", "other part", "background")
"""What the part at a keypoint can be; `other side` is the right part of the wrong side."""


Counts = Counter[tuple[str, str]]
"""Numbers of (keypoint, one of `OUTCOMES`)."""


class GivenPeople(NamedTuple):
    """The annotated people of an image.

    Attributes:
        boxes: N boxes.
        keypoints_xy: (N, 17, 2), pixels.
        is_visible: (N, 17).
    """

    boxes: Instances
    keypoints_xy: FloatArray
    is_visible: BoolArray


def list_parts(keypoint: str) -> frozenset[int]:
    """The coarse parts that meet at one of COCO's keypoints, of its own side."""
    side, _, joint = keypoint.partition("_")
    if joint not in _LIMBS:
        return frozenset({MASK_NAMES.index("head")})
    names = (name if name == "torso" else f"{side} {name}" for name in _LIMBS[joint])
    return frozenset(MASK_NAMES.index(name) for name in names)


def find_part(pose: npt.NDArray[np.uint8], point_xy: npt.NDArray[np.floating], radius_px: float) -> int:
    """The coarse part at a point of a dense pose.

    Args:
        pose: (h, w, 3), as in `Instances.dense`.
        point_xy: (2,) in its pixels; 0 is the corner of the first.
        radius_px: How far the nearest pixel of the body may be.

    Returns:
        1..14; 0 where no pixel of the body is that near.
    """
    rows, columns = np.nonzero(pose[..., 0])
    if not len(rows):
        return 0
    distances = np.hypot(columns + 0.5 - point_xy[0], rows + 0.5 - point_xy[1])
    nearest = int(distances.argmin())
    if distances[nearest] > max(radius_px, 1.0):
        return 0
    return CHART_TO_MASK[pose[rows[nearest], columns[nearest], 0]]


def decide(part: int, wanted: frozenset[int]) -> str:
    """Which of `OUTCOMES` a part is, where some are wanted."""
    if part in wanted:
        return "right"
    if not part:
        return "background"
    return "other side" if MASK_MIRROR[part] in wanted else "other part"


def count_parts(people: Instances, is_known: BoolArray, radius: float) -> Counts:
    """Count what is at the keypoints of people.

    Args:
        people: With `keypoints_xy` (N, 17, 2), boxes and `dense`; those without a dense pose are left out.
        is_known: (N, 17), the keypoints to look at.
        radius: How far a pixel of the body may be from a keypoint, as fraction of the box's longer side.

    """
    counts = Counts()
    if people.dense is None or people.boxes_xyxy is None or people.keypoints_xy is None:
        return counts
    for box, pose, points, known in zip(
        people.boxes_xyxy, people.dense, people.keypoints_xy, is_known, strict=True
    ):
        if not pose.size:
            continue
        x, y, w, h = find_pixels(box)
        for k in np.flatnonzero(known):
            part = find_part(pose, points[k] - (x, y), radius * max(w, h))
            counts[COCO_17.names[k], decide(part, list_parts(COCO_17.names[k]))] += 1
    return counts


def check_video(path: str, tracker: Tracker, every: int, min_score: float, radius: float) -> Counts:
    """Count what is at the keypoints that a recipe finds in every n-th frame of a video."""
    counts = Counts()
    for frame in tracker.track(path, every=every):
        people = frame.instances
        if people.keypoint_scores is not None:
            counts += count_parts(people, people.keypoint_scores >= min_score, radius)
    return counts


def check_images(gt: Path, images: Path, recipe: Recipe, radius: float) -> Counts:
    """Count what is at the visible keypoints of annotated people, whose boxes are given."""
    content = read_coco_people(gt, COCO_17.names).content
    people = dict(_list_people(content))
    files = {
        image["id"]: file
        for image, file in zip(content["images"], list_images(content, images, str(gt)), strict=True)
    }
    networks = build_networks(recipe, Compute(choose_device("auto"), "auto", "auto"), batch_frames=4)
    if networks.dense is None:
        raise SystemExit(f"{recipe.name}: gives no dense poses; name a recipe with [dense]")
    boxes = {number: given.boxes for number, given in people.items()}
    counts = Counts()
    # Poses are given, so that no estimator is needed.
    found = predict_images({i: files[i] for i in people}, replace(networks, estimator=None), boxes=boxes)
    for number, here in found:
        given = people[number]
        scores = given.is_visible.astype(np.float32)
        here = here.with_columns(keypoints_xy=given.keypoints_xy, keypoint_scores=scores)
        counts += count_parts(here, given.is_visible, radius)
    return counts


def _list_people(content: Mapping[str, Any]) -> Iterator[tuple[int, GivenPeople]]:
    """The people with visible keypoints of each image."""
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for person in content["annotations"]:
        if not person.get("iscrowd") and 2 in person.get("keypoints", [])[2::3]:
            by_image.setdefault(person["image_id"], []).append(person)
    for number, people in by_image.items():
        boxes = from_xywh(np.array([person["bbox"] for person in people], np.float32))
        triples = np.array([person["keypoints"] for person in people], np.float32).reshape(len(people), -1, 3)
        yield (
            number,
            GivenPeople(
                Instances(boxes_xyxy=boxes, box_scores=np.ones(len(people), np.float32)),
                from_pixel_indices(triples[..., :2]),
                triples[..., 2] == 2,
            ),
        )


def check_videos(videos: Sequence[str], tracker: Tracker, chosen: argparse.Namespace) -> None:
    """Print the table of each video, and that of all."""
    total = Counts()
    for video in videos:
        counts = check_video(video, tracker, chosen.every, chosen.min_score, chosen.radius)
        print(f"\n{Path(video).name}")
        print_table(counts)
        total += counts
    if len(videos) > 1:
        print("\nall")
        print_table(total)


def print_table(counts: Mapping[tuple[str, str], int]) -> None:
    """Print the fractions of each pair of keypoints, left and right together."""
    print(f"{'keypoints':<12}{'number':>8}" + "".join(f"{name:>14}" for name in OUTCOMES))
    for joint in ("nose", "eye", "ear", *_LIMBS):
        own = Counter[str]()
        for (keypoint, outcome), number in counts.items():
            if keypoint.split("_")[-1] == joint:
                own[outcome] += number
        total = own.total()
        fractions = "".join(f"{own[name] / total:>14.3f}" if total else f"{'-':>14}" for name in OUTCOMES)
        print(f"{joint:<12}{total:>8}{fractions}")


def main() -> None:
    """Check videos or annotated images, and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", metavar="VIDEO")
    parser.add_argument("--gt", type=Path, help="annotations with keypoints, in COCO's format")
    parser.add_argument("--images", type=Path, help="folder of their images")
    parser.add_argument("--recipe", default="dense")
    parser.add_argument("--every", type=int, default=5, help="look at every n-th frame")
    parser.add_argument("--min-score", type=float, default=0.5, help="least score of an estimated keypoint")
    parser.add_argument("--radius", type=float, default=0.02, help="fraction of a box's longer side")
    chosen = parser.parse_args()
    if bool(chosen.gt) != bool(chosen.images) or bool(chosen.gt) == bool(chosen.videos):
        parser.error("give videos, or --gt and --images")
    try:
        if chosen.gt:
            print_table(check_images(chosen.gt, chosen.images, read_recipe(chosen.recipe), chosen.radius))
        else:
            check_videos(chosen.videos, Tracker(chosen.recipe), chosen)
    except PoseTrackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
