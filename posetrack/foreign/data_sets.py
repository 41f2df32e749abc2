"""One sequence of a data set as poses: COCO, PoseTrack18 and PoseTrack17, ground truth or predictions."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from models.data.coco_people import simplify_names
from posetrack.annotations.coco import decode_coco
from posetrack.annotations.coco_sequences import split_sequences
from posetrack.annotations.coco_style import MISSING_SCORE, decode_images
from posetrack.annotations.people_category import PeopleCategory, find_people_category
from posetrack.annotations.posetrack17 import decode_posetrack17
from posetrack.annotations.video import AnnotatedVideo, PeopleBuilder
from posetrack.errors import ResultsError
from posetrack.foreign.base import ForeignFrame, ForeignOptions, ForeignPoses, find_number, make_instances
from posetrack.foreign.entries import ForeignImage, find_columns, make_frames, read_entry
from posetrack.frame import UNTRACKED, Instances
from posetrack.json_fields import expect_id, expect_list, expect_object
from posetrack.skeleton import POSETRACK_15, SKELETONS, Skeleton
from posetrack.skeleton_files import read_category


def read_data_set(data: dict[str, Any], options: ForeignOptions, name: str, where: str) -> ForeignPoses:
    """Read one sequence of a data set's file.

    Args:
        data: Content of the file: PoseTrack17's has `annolist`, the others `images`.
        options: The sequence, if there are several; a skeleton, if the file's names are not those of one.
        name: Name of a sequence that the file does not name.
        where: The file, for messages.

    Raises:
        ResultsError: A field is not what it should be, or there are several sequences, or not the one.
    """
    if "annolist" in data:
        return _read_annotated(decode_posetrack17(data, name, where), "posetrack17")
    category = find_people_category(data, where)
    joints = category.find_columns(POSETRACK_15.names)
    if options.skeleton is None and category.is_posetrack and len(joints) == POSETRACK_15.num_keypoints:
        videos = decode_coco(data, name, where)
        return _read_annotated(_choose_sequence(videos, options, where), "posetrack18")
    return _read_coco(data, category, options, name, where)


def _read_annotated(video: AnnotatedVideo, kind: str) -> ForeignPoses:
    frames = [
        ForeignFrame(
            frame.file_name, find_number(frame.file_name), partial(_make_people, video, index), frame.size_wh
        )
        for index, frame in enumerate(video.frames)
    ]
    return ForeignPoses(kind, POSETRACK_15, frames)


def _make_people(video: AnnotatedVideo, index: int) -> Instances:
    """The people of one frame; without scores all that is annotated has 1."""
    people = video.people
    rows = np.flatnonzero(people.frame_index == index)
    scores = people.keypoint_scores[rows]
    scores = np.where(np.isnan(scores) | (scores == MISSING_SCORE), 1.0, scores)
    triples = np.concatenate([people.keypoints_xy[rows], scores[..., None]], axis=2)
    triples[~people.present[rows]] = 0
    person_scores, boxes = people.scores[rows], people.boxes_xyxy[rows]
    is_scored = len(rows) > 0 and bool(((person_scores >= 0) & (person_scores <= 1)).all())
    return make_instances(
        triples.astype(np.float32),
        boxes_xyxy=None if np.isnan(boxes).any() else boxes.astype(np.float32),
        person_scores=person_scores.astype(np.float32) if is_scored else None,
        track_ids=np.where(people.has_track_id[rows], people.track_ids[rows], UNTRACKED),
    )


def _read_coco(
    data: dict[str, Any], category: PeopleCategory, options: ForeignOptions, name: str, where: str
) -> ForeignPoses:
    skeleton, columns = _choose_skeleton(category, options)
    images = _list_images(data, options, name, where)
    annotations = expect_list(data.get("annotations"), f"{where}: annotations")
    people = []
    for i, value in enumerate(annotations):
        at = f"{where}: annotations[{i}]"
        entry = expect_object(value, at)
        image = expect_id(entry.get("image_id"), f"{at}.image_id")
        is_person = category.has(entry, at) and not entry.get("iscrowd")
        if image in images and is_person and (entry.get("keypoints") or entry.get("bbox")):
            people.append(read_entry(entry, image, at))
    count = len(category.keypoint_names)
    for person in people:
        if person.points and len(person.points) != 3 * count:
            raise ResultsError(
                f"{where}: image {person.image}: {len(person.points)} numbers as keypoints, not {3 * count}"
            )
    return ForeignPoses("coco", skeleton, make_frames(images, people, columns, count))


def _choose_skeleton(category: PeopleCategory, options: ForeignOptions) -> tuple[Skeleton, list[int]]:
    """The skeleton of the names of a category, and the position of each of its keypoints in the file."""
    for skeleton in (options.skeleton,) if options.skeleton else SKELETONS.values():
        names = simplify_names(category.keypoint_names, skeleton.names)
        if sorted(names) == sorted(skeleton.names):
            return skeleton, find_columns(names, skeleton)
    if options.skeleton is not None:
        raise ResultsError(
            f"{category.where}.keypoints: {len(category.keypoint_names)} names that are not those of "
            f"{options.skeleton.name}; give another --skeleton"
        )
    try:
        skeleton = read_category(category.entry, category.where)
    except ValueError as error:
        raise ResultsError(f"{error}, or a file that describes the keypoints with --skeleton") from error
    return skeleton, list(range(skeleton.num_keypoints))


def _list_images(
    data: dict[str, Any], options: ForeignOptions, name: str, where: str
) -> dict[str | int, ForeignImage]:
    """The images of the wanted sequence, in order, by their ids."""
    frames = decode_images(data, where)
    empty = AnnotatedVideo(name, tuple(frames), PeopleBuilder().build())
    videos = split_sequences(empty, data["images"], where)
    video = _choose_sequence(videos, options, where)
    return {
        frame.image_id: ForeignImage(frame.file_name, find_number(frame.file_name), frame.size_wh)
        for frame in video.frames
        if frame.image_id is not None
    }


def _choose_sequence(videos: list[AnnotatedVideo], options: ForeignOptions, where: str) -> AnnotatedVideo:
    """The wanted sequence of a file, or its only one."""
    by_name = {video.name: video for video in videos}
    video = by_name.get(options.sequence) if options.sequence else videos[0] if len(videos) == 1 else None
    if video is None:
        shown = ", ".join(list(by_name)[:5]) + (", ..." if len(videos) > 5 else "")
        raise ResultsError(f"{where}: holds {len(videos)} sequences; choose one with --sequence: {shown}")
    return video
