"""COCO person keypoints: one file for any number of sequences, in COCO's 17 keypoints.

What COCO has no field for is stored in extra fields, which `pycocotools` ignores. An image has `sequence`,
`vid_id`, `is_labeled`, `ignore_regions_x` and `_y`; an annotation has `track_id`, `score`, `bbox_head`,
`head_bottom` and `head_top` as [x, y, v], `scores` of the 17 keypoints, `head_scores` of the two others, and
`bbox_from_keypoints` if the person had no box.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posetrack.annotations.coco_sequences import split_sequences
from posetrack.annotations.coco_style import (
    decode_box,
    decode_images,
    encode_images,
    encode_tracked_person,
    fill_scores,
    match_annotations,
    number_images,
)
from posetrack.annotations.people_category import PeopleCategory, find_people_category
from posetrack.annotations.posetrack18 import decode_posetrack18_sequences
from posetrack.annotations.video import AnnotatedPeople, AnnotatedVideo, DoubleArray, PeopleBuilder
from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED
from posetrack.json_fields import (
    expect_id,
    expect_number,
    expect_numbers,
)
from posetrack.skeleton import COCO_17, POSETRACK_15, convert_coco17_to_posetrack15

# The keypoints that COCO does not have: the field of each, and its index in POSETRACK_15.
_HEAD_JOINTS = {
    "head_bottom": POSETRACK_15.names.index("neck"),
    "head_top": POSETRACK_15.names.index("head_top"),
}

# The index of each of COCO's keypoints in POSETRACK_15; None for eyes and ears.
_JOINT_OF_KEYPOINT = tuple(
    POSETRACK_15.names.index(name) if name in POSETRACK_15.names else None for name in COCO_17.names
)

_CATEGORY = {
    "id": 1,
    "name": "person",
    "supercategory": "person",
    "keypoints": COCO_17.names,
    "skeleton": [(a + 1, b + 1) for a, b in COCO_17.edge_index],
}

_OCCLUDED, _VISIBLE = 1, 2

_log = logging.getLogger(__name__)


def encode_coco(videos: Sequence[AnnotatedVideo]) -> dict[str, Any]:
    """Encode sequences as the content of one COCO file; the inverse of `decode_coco`.

    Eyes and ears are not annotated (v = 0). A keypoint has v = 1 if PoseTrack's visibility is 0, and 2
    otherwise. The area is that of the box; a person without a box gets the bounding box of the keypoints. Image
    ids are the sequences' own, or PoseTrack's (`encode_posetrack18`); if an id would occur twice, all are
    numbered from 1. Lost or changed:

    - Visibility other than 0, also where missing, is decoded as 1.
    - If some keypoints of a person have scores, the others get -9999, which the evaluation takes for none.
    - A person without a list of points is not distinguished from one with an empty list.
    - Sequences without frames and track ids of -1 are lost.
    - The lower right corner of a box may move by a rounding error (`encode_box`).

    Args:
        videos: Sequences with distinct names.

    Returns:
        Values for `json.dump`, without NaN.

    Raises:
        ResultsError: Two sequences have the same name.
    """
    names = [video.name for video in videos]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ResultsError(f"{twice}: two sequences of this name; one COCO file needs each to have its own")
    ids = [number_images(video) for video in videos]
    if len({i for own in ids for i in own}) < sum(map(len, ids)):
        numbers = iter(range(1, 1 + sum(map(len, ids))))
        ids = [[next(numbers) for _ in own] for own in ids]
    annotations = [
        annotation for video, own in zip(videos, ids, strict=True) for annotation in _encode_people(video, own)
    ]
    return {
        "images": [
            image | {"sequence": video.name}
            for video, own in zip(videos, ids, strict=True)
            for image in encode_images(video, own)
        ],
        # From 1, because COCO's evaluation takes 0 for "no annotation".
        "annotations": [{"id": i, **annotation} for i, annotation in enumerate(annotations, start=1)],
        "categories": [_CATEGORY],
    }


def _encode_people(video: AnnotatedVideo, image_ids: list[int]) -> Iterator[dict[str, Any]]:
    people = video.people
    scores, has_scores = fill_scores(people, people.present)
    flags = np.where(people.present, np.where(people.visibility == 0, _OCCLUDED, _VISIBLE), 0)
    xy = np.where(people.present[..., None], people.keypoints_xy, 0.0)
    for person, index in enumerate(people.frame_index.tolist()):
        triples = [(x, y, v) for (x, y), v in zip(xy[person].tolist(), flags[person].tolist(), strict=True)]
        keypoints = [(0.0, 0.0, 0) if joint is None else triples[joint] for joint in _JOINT_OF_KEYPOINT]
        annotation = {"image_id": image_ids[index], "category_id": 1, "iscrowd": 0}
        annotation |= encode_tracked_person(people, person)
        if "bbox" not in annotation:
            annotation["bbox"] = _enclose(people.keypoints_xy[person][people.present[person]])
            annotation["bbox_from_keypoints"] = True
        annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
        annotation["keypoints"] = [number for triple in keypoints for number in triple]
        annotation["num_keypoints"] = sum(v > 0 for _, _, v in keypoints)
        annotation |= {name: list(triples[joint]) for name, joint in _HEAD_JOINTS.items()}
        if has_scores[person]:
            row = scores[person].tolist()
            annotation["scores"] = [0.0 if joint is None else row[joint] for joint in _JOINT_OF_KEYPOINT]
            annotation["head_scores"] = [row[joint] for joint in _HEAD_JOINTS.values()]
        yield annotation


def _enclose(points_xy: DoubleArray) -> list[float]:
    """Compute the bounding box of points (P, 2) as x, y, width and height; zeros without points."""
    if not len(points_xy):
        return [0.0, 0.0, 0.0, 0.0]
    low, high = points_xy.min(axis=0), points_xy.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def decode_coco(data: dict[str, Any], name: str, where: str) -> list[AnnotatedVideo]:
    """Decode the content of a COCO file of person keypoints, with COCO's 17 names or PoseTrack's 15 or 17.

    COCO has neither neck nor head top. If the file lacks `head_bottom` and `head_top`, they are computed from
    the nose and the shoulders (`convert_coco17_to_posetrack15`) where these are annotated, and are visible
    where all of these are. Head boxes are never estimated: a file without `bbox_head` cannot be PoseTrack
    ground truth, whose evaluation measures distances in head sizes. A `track_id` of -1 means none.

    Images are assigned to sequences by `sequence`, else by the folder of their `file_name`, else by `vid_id`;
    images with none of these form one sequence. Crowds (`iscrowd`) and annotations of other categories are left
    out.

    Args:
        data: The parsed JSON.
        name: Name of a sequence that the file does not name: that of the file without its suffix.
        where: Name of the file in messages.

    Returns:
        The sequences, in the order of their first images in the file.

    Raises:
        ResultsError: A field is not valid.
    """
    category = find_people_category(data, where)
    if not category.is_posetrack:
        video = _decode_coco_names(data, name, where, category)
    elif "neck" in category.keypoint_names:
        # Written by this package, with POSETRACK_15 keypoints.
        video = decode_posetrack18_sequences(_rename_scores(data), name, where)
    else:
        return split_sequences(
            decode_posetrack18_sequences(data, name, where), data["images"], where, file_first=True
        )
    people = video.people
    has_track_id = people.has_track_id & (people.track_ids != UNTRACKED)
    people = replace(people, has_track_id=has_track_id, track_ids=np.where(has_track_id, people.track_ids, 0))
    return split_sequences(replace(video, people=people), data["images"], where)


def _rename_scores(data: dict[str, Any]) -> dict[str, Any]:
    """Rename the scores in a file that this package wrote to PoseTrack18's name."""
    annotations = data.get("annotations")
    if isinstance(annotations, list):
        annotations = [
            {"scores": item["keypoint_scores"], **item}
            if isinstance(item, dict) and "keypoint_scores" in item
            else item
            for item in annotations
        ]
    return data | {"annotations": annotations}


def _decode_coco_names(data: dict[str, Any], name: str, where: str, category: PeopleCategory) -> AnnotatedVideo:
    columns = category.find_columns(COCO_17.names)
    missing = [
        keypoint
        for keypoint, joint in zip(COCO_17.names, _JOINT_OF_KEYPOINT, strict=True)
        if joint is not None and keypoint not in columns
    ]
    if missing:
        at = f"{category.where}.keypoints"
        raise ResultsError(f"{at}: no '{missing[0]}'; expected COCO's 17 names or PoseTrack's 15")
    frames = decode_images(data, where)
    builder = _CocoPeopleBuilder(columns, len(category.keypoint_names))
    crowds = 0
    for index, annotation, at in match_annotations(data, frames, where):
        if not category.has(annotation, at):
            continue
        if expect_number(annotation.get("iscrowd", 0), f"{at}.iscrowd"):
            crowds += 1
            continue
        builder.add(annotation, index, at)
    if crowds:
        _log.warning("%s: %d crowds left out: PoseTrack annotates single people", where, crowds)
    return AnnotatedVideo(name, tuple(frames), builder.build())


class _CocoPeopleBuilder:
    """Collects people one by one and makes columns of all of them."""

    def __init__(self, columns: Mapping[str, int], count: int) -> None:
        self._count = count
        self._columns = [(COCO_17.names.index(name), column) for name, column in columns.items()]
        self._people = PeopleBuilder()
        self._keypoints: list[list[float]] = []
        self._scores: list[list[float]] = []
        # (person, keypoint, x, y, v, score) of the head keypoints in the file.
        self._heads: list[tuple[float, ...]] = []

    def add(self, annotation: dict[str, Any], frame_index: int, where: str) -> None:
        """Read one annotation.

        Raises:
            ResultsError: A field is not valid.
        """
        count = self._count
        track_id, score = annotation.get("track_id"), annotation.get("score")
        is_boxed = not annotation.get("bbox_from_keypoints")
        field = "scores" if "scores" in annotation else "keypoint_scores"
        scores = [np.nan] * count
        if annotation.get(field):
            scores = expect_numbers(annotation[field], count, f"{where}.{field}")
        head_scores = [np.nan] * len(_HEAD_JOINTS)
        if annotation.get("head_scores"):
            head_scores = expect_numbers(annotation["head_scores"], len(_HEAD_JOINTS), f"{where}.head_scores")
        for (name, joint), head_score in zip(_HEAD_JOINTS.items(), head_scores, strict=True):
            if annotation.get(name) is not None:
                x, y, v = expect_numbers(annotation[name], 3, f"{where}.{name}")
                self._heads.append((len(self._keypoints), joint, x, y, v, head_score))
        self._keypoints.append(expect_numbers(annotation.get("keypoints"), 3 * count, f"{where}.keypoints"))
        self._scores.append(scores)
        people = self._people
        people.frame_index.append(frame_index)
        people.track_ids.append(None if track_id is None else expect_id(track_id, f"{where}.track_id"))
        people.scores.append(None if score is None else expect_number(score, f"{where}.score"))
        people.head_boxes_xyxy.append(decode_box(annotation, "bbox_head", where))
        people.boxes_xyxy.append(decode_box(annotation, "bbox", where) if is_boxed else None)
        people.has_points.append(True)

    def build(self) -> AnnotatedPeople:
        """Make the columns."""
        N, count = len(self._keypoints), self._count
        # x, y, v and score of each keypoint, with v = 0 for those that the file does not have.
        coco = np.zeros((N, len(COCO_17.names), 4))
        triples = np.array(self._keypoints, np.float64).reshape(N, count, 3)
        scores = np.array(self._scores, np.float64).reshape(N, count)
        for keypoint, column in self._columns:
            coco[:, keypoint, :3] = triples[:, column]
            coco[:, keypoint, 3] = scores[:, column]
        coco[coco[..., 2] <= 0] = np.nan
        xy, joint_scores = convert_coco17_to_posetrack15(coco[..., :2], coco[..., 3])  # type: ignore[arg-type]
        joints = np.concatenate([xy, _convert_flags(coco[..., 2])[..., None], joint_scores[..., None]], axis=-1)
        heads = np.array(self._heads, np.float64).reshape(-1, 6)
        joints[heads[:, 0].astype(np.int64), heads[:, 1].astype(np.int64)] = heads[:, 2:]
        joints[~(joints[..., 2] > 0)] = np.nan
        return replace(
            self._people.build(),
            keypoints_xy=joints[..., :2],
            keypoint_scores=joints[..., 3],
            visibility=np.where(joints[..., 2] > 0, (joints[..., 2] >= _VISIBLE).astype(np.float64), np.nan),
        )


def _convert_flags(flags: DoubleArray) -> DoubleArray:
    """Compute v of 15 keypoints from COCO's (N, 17); computed ones get the least of their sources, or NaN."""
    column = {name: flags[:, k] for k, name in enumerate(COCO_17.names)}
    column["neck"] = np.minimum(column["left_shoulder"], column["right_shoulder"])
    column["head_top"] = np.minimum(column["neck"], column["nose"])
    return np.stack([column[name] for name in POSETRACK_15.names], axis=1)
