"""PoseTrack18 files: COCO-style `images`, `annotations` and `categories` for one sequence.

An annotation has `keypoints` (x, y, v of each name of its category), `scores` of these keypoints, `track_id`,
`bbox` and `bbox_head` (both xywh), and optionally `score`; an image has `ignore_regions_x` and `_y`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from posetrack.annotations.coco_style import (
    decode_box,
    decode_images,
    encode_images,
    encode_tracked_person,
    fill_scores,
    match_annotations,
    number_images,
)
from posetrack.annotations.columns import read_quickly
from posetrack.annotations.people_category import PeopleCategory, find_people_category
from posetrack.annotations.posetrack18_columns import read_people
from posetrack.annotations.video import AnnotatedFrame, AnnotatedVideo, PeopleBuilder, shorten
from posetrack.errors import ResultsError
from posetrack.json_fields import (
    expect_id,
    expect_number,
    expect_numbers,
    show_name,
)
from posetrack.results.posetrack18 import POSETRACK18_CATEGORY, POSETRACK18_JOINTS
from posetrack.skeleton import POSETRACK_15

_NAN = float("nan")


def decode_posetrack18(data: dict[str, Any], name: str, where: str) -> AnnotatedVideo:
    """Decode the content of a PoseTrack18 file.

    A keypoint is absent if x = y = v = 0, as in the reference tool. Keypoints are found by name, in any order.
    Annotations of images that the file does not list are left out with a logged warning.

    Args:
        data: The parsed JSON.
        name: Name of the sequence.
        where: Name of the file in messages.

    Returns:
        The sequence.

    Raises:
        ResultsError: A field is not valid, or the images belong to several sequences.
    """
    video = decode_posetrack18_sequences(data, name, where)
    check_one_folder(video.frames, where)
    return video


def decode_posetrack18_sequences(data: dict[str, Any], name: str, where: str) -> AnnotatedVideo:
    """Decode a file in PoseTrack18's layout with images of any number of sequences as one sequence.

    Otherwise like `decode_posetrack18`.
    """
    category = find_people_category(data, where)
    columns = _find_columns(category)
    frames = decode_images(data, where)
    if category.is_only:
        index_of_image = {frame.image_id: index for index, frame in enumerate(frames)}
        people = read_quickly(read_people, data.get("annotations"), index_of_image, columns)
        if people is not None:
            return AnnotatedVideo(name, tuple(frames), people)
    builder = PeopleBuilder()
    for index, annotation, at in match_annotations(data, frames, where):
        # In files of one category its number is not looked at, as in the reference tool.
        if category.is_only or category.has(annotation, at):
            _decode_person(annotation, index, columns, builder, at)
    return AnnotatedVideo(name, tuple(frames), builder.build())


def _find_columns(category: PeopleCategory) -> list[tuple[int, int]]:
    """Pairs (index in POSETRACK_15, index in the file), one per name in the file; -1 for none of the 15."""
    names, at = category.keypoint_names, f"{category.where}.keypoints"
    if len(names) not in (15, 17):
        raise ResultsError(f"{at}: expected 15 or 17 names, found {len(names)}")
    found = category.find_columns(POSETRACK_15.names)
    missing = [name for name in POSETRACK_15.names if name not in found]
    if missing:
        # As the format calls it.
        name = "head_bottom" if missing[0] == "neck" else missing[0]
        raise ResultsError(f"{at}: no '{name}'; PoseTrack's 15 joints are found by name")
    keypoint_of = {column: POSETRACK_15.names.index(name) for name, column in found.items()}
    return [(keypoint_of.get(column, -1), column) for column in range(len(names))]


def _decode_person(
    annotation: dict[str, Any],
    frame_index: int,
    columns: list[tuple[int, int]],
    people: PeopleBuilder,
    where: str,
) -> None:
    person = len(people.frame_index)
    numbers = expect_numbers(annotation.get("keypoints"), 3 * len(columns), f"{where}.keypoints")
    # An empty list of scores counts as none.
    scores = annotation.get("scores") or None
    if scores is not None:
        scores = expect_numbers(scores, len(columns), f"{where}.scores")
    track_id, score = annotation.get("track_id"), annotation.get("score")
    people.frame_index.append(frame_index)
    people.track_ids.append(None if track_id is None else expect_id(track_id, f"{where}.track_id"))
    people.scores.append(None if score is None else expect_number(score, f"{where}.score"))
    people.head_boxes_xyxy.append(decode_box(annotation, "bbox_head", where))
    people.boxes_xyxy.append(decode_box(annotation, "bbox", where))
    people.has_points.append(True)
    for keypoint, column in columns:
        x, y, flag = numbers[3 * column : 3 * column + 3]
        if keypoint >= 0 and (x or y or flag):
            people.points.append((person, keypoint, x, y, _NAN if scores is None else scores[column], flag))


def encode_posetrack18(video: AnnotatedVideo) -> dict[str, Any]:
    """Encode a sequence as the content of a PoseTrack18 file; the inverse of `decode_posetrack18`.

    Image ids are the sequence's own, or else those that PoseTrack derives from its name. Absent values are left
    out. Lost or changed, because the format has no field for it:

    - A keypoint at x = y = 0 with visibility 0 is absent; one without visibility gets 1.
    - If some keypoints of a person have scores, the others get -9999, which the evaluation takes for none.
    - A person without a list of points is not distinguished from one with an empty list.
    - The lower right corner of a box may change by a rounding error (`encode_box`).

    Args:
        video: The sequence.

    Returns:
        Values for `json.dump`, without NaN.

    Raises:
        ResultsError: File names belong to several folders: each sequence needs a file of its own.
    """
    check_one_folder(video.frames, video.name)
    people = video.people
    image_ids = number_images(video)
    visibility = np.where(np.isnan(people.visibility), 1.0, people.visibility)
    triples = np.concatenate([people.keypoints_xy, visibility[..., None]], axis=-1)
    present = people.present & (triples != 0).any(axis=-1)
    triples[~present] = 0.0
    scores, has_scores = fill_scores(people, present)
    annotations = []
    for person, index in enumerate(people.frame_index.tolist()):
        annotation = {"id": person + 1, "image_id": image_ids[index], "category_id": 1}
        annotation |= encode_tracked_person(people, person)
        annotation["keypoints"] = _order_keypoints(triples[person].tolist())
        if has_scores[person]:
            row = scores[person].tolist()
            annotation["scores"] = [0.0 if joint is None else row[joint] for joint in POSETRACK18_JOINTS]
        annotations.append(annotation)
    return {
        "images": list(encode_images(video, image_ids)),
        "annotations": annotations,
        "categories": [POSETRACK18_CATEGORY],
    }


def _order_keypoints(triples: list[list[float]]) -> list[float]:
    """Encode 15 rows of x, y and v as the file's 17 triples."""
    ordered: list[float] = []
    for joint in POSETRACK18_JOINTS:
        x, y, flag = (0.0, 0.0, 0.0) if joint is None else triples[joint]
        ordered += (x, y, shorten(flag))
    return ordered


def check_one_folder(frames: Iterable[AnnotatedFrame], where: str) -> None:
    """Check that all frames are in one folder, that is of one sequence.

    Raises:
        ResultsError: They are not.
    """
    folders = sorted({str(PurePosixPath(frame.file_name).parent) for frame in frames if frame.file_name})
    if len(folders) > 1:
        shown = ", ".join(map(show_name, folders[:3])) + (", ..." if len(folders) > 3 else "")
        raise ResultsError(f"{where}: images: of {len(folders)} sequences ({shown}); one file each")
