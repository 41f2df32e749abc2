"""Lists of people as COCO has them: COCO results, AlphaPose's results, and the annotations of COCO files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from posetrack.errors import ResultsError
from posetrack.foreign.base import (
    ForeignFrame,
    ForeignOptions,
    ForeignPoses,
    choose_skeleton,
    find_number,
    make_instances,
    separate_ids,
)
from posetrack.frame import UNTRACKED, FloatArray, Instances, from_xywh
from posetrack.json_fields import expect_id, expect_number, expect_numbers, expect_object, make_error
from posetrack.results.coco_entries import PERSON_CATEGORY_ID
from posetrack.skeleton import COCO_17, Skeleton

_FLAGS = (0, 1, 2)
"""The v of COCO's keypoints; anything else is a score."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A person of a list.

    Attributes:
        image: Name or number of the image.
        track_id: `UNTRACKED` where there is none.
        box_xywh: Pixels; None where there is none.
        score: Of the person, likewise.
        points: K times x, y and v or a score; empty for a box alone.
        point_scores: K scores; empty where `points` has them.
    """

    image: str | int
    track_id: int
    box_xywh: Sequence[float] | None
    score: float | None
    points: Sequence[float]
    point_scores: Sequence[float]


def read_result_list(entries: list[Any], options: ForeignOptions, where: str) -> ForeignPoses:
    """Read a list of results: COCO's, or AlphaPose's, whose images are named and whose scores go beyond 1.

    Args:
        entries: The list.
        options: The skeleton, if it is not the one of so many keypoints.
        where: The file, for messages.

    Raises:
        ResultsError: An entry is not what it should be.
    """
    people, is_alphapose = [], False
    for i, value in enumerate(entries):
        at = f"{where}: [{i}]"
        entry = expect_object(value, at)
        is_alphapose |= isinstance(entry.get("image_id"), str) or "idx" in entry or "box" in entry
        if entry.get("category_id", PERSON_CATEGORY_ID) == PERSON_CATEGORY_ID:
            people.append(read_entry(entry, _take_image(entry, at), at))
    if not people:
        raise ResultsError(f"{where}: no people in the list; expected results with keypoints or bbox")
    count = _count_points(people, where)
    skeleton, used = choose_skeleton(count, options, where) if count else (options.skeleton or COCO_17, 0)
    images = {person.image: ForeignImage(str(person.image), _number(person.image)) for person in people}
    ordered = dict(
        sorted(images.items(), key=lambda item: (item[1].number is None, item[1].number, item[1].name))
    )
    kind = "alphapose" if is_alphapose else "coco"
    if is_alphapose:
        people = [_leave_out_score(person) for person in people]
    return ForeignPoses(kind, skeleton, make_frames(ordered, people, range(used), count))


@dataclass(frozen=True)
class ForeignImage:
    """An image of a list.

    Attributes:
        name: Name of its file; empty where it has none.
        number: Its number; None where it has none.
        size_wh: Width and height in pixels; None where they are not said.
    """

    name: str
    number: int | None
    size_wh: tuple[int, int] | None = None


def read_entry(entry: dict[str, Any], image: str | int, where: str) -> Entry:
    """Read an entry of a list of results, or an annotation.

    Args:
        entry: With `keypoints`, or `bbox` (AlphaPose: `box`) alone; perhaps with `score`, `track_id` (`idx`),
            and `keypoint_scores` (`scores`).
        image: Name or number of its image.
        where: Its place, for messages.

    Raises:
        ResultsError: A field is not what it should be.
    """
    points = entry.get("keypoints") or []
    if not isinstance(points, list) or len(points) % 3:
        raise make_error(f"{where}.keypoints", "x, y and v of each keypoint in one list", points)
    box = entry.get("bbox", entry.get("box"))
    scores = entry.get("keypoint_scores", entry.get("scores")) or []
    score, track_id = entry.get("score"), entry.get("track_id", entry.get("idx"))
    while isinstance(track_id, list) and track_id:
        track_id = track_id[0]
    if box is None and not points:
        raise ResultsError(f"{where}: neither keypoints nor a box; give people with one of them")
    return Entry(
        image,
        UNTRACKED if track_id is None or track_id == [] else expect_id(track_id, f"{where}.track_id"),
        None if box is None else expect_numbers(box, 4, f"{where}.bbox"),
        None if score is None else expect_number(_unwrap(score), f"{where}.score"),
        expect_numbers(points, len(points), f"{where}.keypoints"),
        expect_numbers(scores, len(points) // 3, f"{where}.keypoint_scores") if scores else [],
    )


def make_frames(
    images: dict[str | int, ForeignImage], people: Iterable[Entry], columns: Sequence[int], count: int
) -> list[ForeignFrame]:
    """Make the frames of a list of people.

    Args:
        images: The images by the names or numbers that the people have, in order.
        people: The people.
        columns: The keypoint of the file for each of the skeleton's.
        count: Number of keypoints in the file; 0 for boxes alone.
    """
    of_image: dict[str | int, list[Entry]] = {image: [] for image in images}
    all_people = list(people)
    for person in all_people:
        of_image[person.image].append(person)
    is_flagged = all(v in _FLAGS for person in all_people for v in person.points[2::3])
    ids = {person.track_id for person in all_people}
    has_ids = len(ids) > 1 or max(map(len, of_image.values()), default=0) <= 1
    is_scored = all(0 <= (1 if person.score is None else person.score) <= 1 for person in all_people)
    read = partial(_make_people, columns=columns, count=count, has_ids=has_ids, is_flagged=is_flagged)
    return [
        ForeignFrame(image.name, image.number, partial(read, of_image[key], is_scored=is_scored), image.size_wh)
        for key, image in images.items()
    ]


def _make_people(
    people: list[Entry],
    *,
    columns: Sequence[int],
    count: int,
    has_ids: bool,
    is_flagged: bool,
    is_scored: bool,
) -> Instances:
    """The people of one image.

    Args:
        people: N people.
        columns: As for `make_frames`.
        count: As for `make_frames`.
        has_ids: Whether their track ids tell them apart.
        is_flagged: Whether points have a v, and not a score.
        is_scored: Whether the scores of all people are from 0 to 1.
    """
    N = len(people)
    boxes = from_xywh(np.array([person.box_xywh or [0] * 4 for person in people], np.float32).reshape(N, 4))
    has_boxes = N > 0 and all(person.box_xywh is not None for person in people)
    ids = np.array([person.track_id if has_ids else UNTRACKED for person in people], np.int64)
    scores = None
    if is_scored and any(person.score is not None for person in people):
        scores = np.array([1 if person.score is None else person.score for person in people], np.float32)
    if not count:
        return separate_ids(Instances(boxes_xyxy=boxes, box_scores=scores, track_ids=ids))
    rows = [person.points or [0.0] * (3 * count) for person in people]
    triples = np.array(rows, np.float64).reshape(N, count, 3)[:, columns]
    if any(person.point_scores for person in people):
        given = [person.point_scores or [0.0] * count for person in people]
        triples[..., 2] = np.where(triples[..., 2] > 0, np.array(given, np.float64)[:, columns], 0)
    elif is_flagged:
        triples[..., 2] = triples[..., 2] > 0
    points: FloatArray = triples.astype(np.float32)
    return make_instances(points, boxes_xyxy=boxes if has_boxes else None, person_scores=scores, track_ids=ids)


def _take_image(entry: dict[str, Any], where: str) -> str | int:
    image = entry.get("image_id")
    return image if isinstance(image, str) and image else expect_id(image, f"{where}.image_id")


def _number(image: str | int) -> int | None:
    return find_number(image) if isinstance(image, str) else image


def _count_points(people: Sequence[Entry], where: str) -> int:
    """The number of keypoints of everyone; 0 where nobody has any."""
    counts = {len(person.points) // 3 for person in people} - {0}
    if len(counts) > 1:
        raise ResultsError(
            f"{where}: people with {min(counts)} and with {max(counts)} keypoints; give those of one network"
        )
    return counts.pop() if counts else 0


def _leave_out_score(person: Entry) -> Entry:
    """AlphaPose's scores are sums; people are as certain as their keypoints then."""
    return Entry(person.image, person.track_id, person.box_xywh, None, person.points, person.point_scores)


def _unwrap(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def find_columns(names: Sequence[str], skeleton: Skeleton) -> list[int]:
    """The position in a file of each keypoint of a skeleton."""
    return [list(names).index(name) for name in skeleton.names]
