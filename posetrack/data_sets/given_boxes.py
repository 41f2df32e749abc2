"""Boxes of another detector for the sequences of a data set, as COCO detections or in PoseTrack's form."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from models.training.errors import DataError
from posetrack.annotations.posetrack17 import decode_posetrack17
from posetrack.annotations.video import AnnotatedVideo
from posetrack.data_sets.sequences import LabelledSequence
from posetrack.errors import ResultsError
from posetrack.evaluation.pictures import collect_boxes
from posetrack.frame import Instances, from_pixel_indices
from posetrack.json_fields import expect_id, expect_list, expect_object, read_json
from posetrack.predictors.networks import GivenBoxes
from trackers.oks import box_around_keypoints

_PADDING = 1.15
"""A box around keypoints is made so much wider and higher, as in SimpleBaseline."""

_log = logging.getLogger(__name__)


@dataclass
class _Index:
    """Where the frames of some sequences are, by what files of boxes call them."""

    by_id: dict[int, tuple[str, int]] = field(default_factory=dict)
    by_name: dict[str, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def make(cls, sequences: Sequence[LabelledSequence]) -> _Index:
        index = cls()
        for sequence in sequences:
            for position, frame in enumerate(sequence.frames):
                place = (sequence.name, position)
                index.by_name[frame.file_name] = place
                if frame.image_id is not None:
                    index.by_id[frame.image_id] = place
        return index


def read_given_boxes(
    path: Path, sequences: Sequence[LabelledSequence], *, min_score: float = 0.0
) -> dict[str, GivenBoxes]:
    """Read boxes for the frames of sequences.

    Their coordinates are taken for indices of pixels, as in `posetrack.evaluation.pictures.predict_images`.
    People without a box get one around their keypoints, 15 % wider and higher: PoseTrack17 has no other.

    Args:
        path: COCO detections (a list with `image_id`, `bbox` and `score`), which need the image ids of
            PoseTrack18; a file like a COCO or PoseTrack18 data set, with `images` and `annotations`; a
            PoseTrack17 file of the only sequence; or a folder with a file of one of these for each sequence.
        sequences: The sequences.
        min_score: Boxes that score less are left out; those without a score stay.

    Returns:
        The boxes of each sequence, by name; frames without any are missing in them.

    Raises:
        ResultsError: A file is missing or not valid, or belongs to other sequences.
    """
    if not path.exists():
        raise ResultsError(f"{path}: no such file or folder of boxes; check --boxes")
    found: dict[str, dict[int, Instances]] = {sequence.name: {} for sequence in sequences}
    digests = {}
    if path.is_dir():
        for sequence in sequences:
            file = path / f"{sequence.name}.json"
            if not file.is_file():
                raise ResultsError(f"{path}: no boxes of {sequence.name}; expected {file.name} in it")
            _read_file(file, [sequence], found)
            digests[sequence.name] = _digest(file)
    else:
        _read_file(path, sequences, found)
        digests = dict.fromkeys(found, _digest(path))
    return {
        name: GivenBoxes(
            {position: _keep_scored(people, min_score) for position, people in by_frame.items()},
            hashlib.sha256(f"{digests[name]} {min_score:g}".encode()).hexdigest(),
        )
        for name, by_frame in found.items()
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _keep_scored(people: Instances, min_score: float) -> Instances:
    assert people.box_scores is not None
    return people[people.box_scores >= np.float32(min_score)]


def _read_file(
    file: Path, sequences: Sequence[LabelledSequence], found: dict[str, dict[int, Instances]]
) -> None:
    """Add the boxes of one file to those of the sequences that it may be of."""
    content = read_json(file)
    if isinstance(content, list):
        index = _Index.make(sequences)
        if not index.by_id:
            raise ResultsError(
                f"{file}: a list of detections names images by number, and {sequences[0].file} (PoseTrack17) "
                "has no numbers; give a folder of PoseTrack files, or a file with `images`"
            )
        _place(_collect(content, str(file)), index.by_id, found, str(file))
        return
    data = expect_object(content, str(file))
    if "annolist" in data:
        if len(sequences) != 1:
            raise ResultsError(f"{file}: of one sequence; give a folder with a file for each")
        _add_video(decode_posetrack17(data, file.stem, str(file)), sequences[0], found, str(file))
    elif "images" in data:
        boxes = _collect(_with_boxes(data, str(file)), str(file))
        _place(boxes, _place_images(data, _Index.make(sequences), str(file)), found, str(file))
    else:
        raise ResultsError(
            f"{file}: no list of detections, no `images` (COCO, PoseTrack18) and no `annolist` (PoseTrack17)"
        )


def _collect(entries: list[Any], where: str) -> dict[int, Instances]:
    try:
        return collect_boxes(entries, where)
    except DataError as error:
        raise ResultsError(str(error)) from error


def _with_boxes(data: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """The annotations of a file, each with a box: of those without, around their keypoints."""
    entries = expect_list(data.get("annotations", []), f"{where}: annotations")
    rows = [expect_object(entry, f"{where}: annotations[{i}]") for i, entry in enumerate(entries)]
    return [row if "bbox" in row else {**row, "bbox": _enclose(row.get("keypoints"))} for row in rows]


def _enclose(keypoints: Any) -> list[float]:
    """The box (xywh) around the known ones of flat keypoints x, y, v; without area where there are none."""
    try:
        points = np.asarray(keypoints or [], np.float32).reshape(-1, 3)
    except (TypeError, ValueError):
        points = np.zeros((0, 3), np.float32)
    x1, y1, x2, y2 = box_around_keypoints(points[None, :, :2], points[None, :, 2] > 0, _PADDING)[0].tolist()
    return [x1, y1, x2 - x1, y2 - y1]


def _place_images(data: dict[str, Any], index: _Index, where: str) -> dict[int, tuple[str, int]]:
    """Where the images of a file are, by their numbers in it: by name, else by number."""
    places = {}
    for i, entry in enumerate(expect_list(data["images"], f"{where}: images")):
        image = expect_object(entry, f"{where}: images[{i}]")
        number = expect_id(image.get("id"), f"{where}: images[{i}].id")
        place = index.by_name.get(str(image.get("file_name"))) or index.by_id.get(number)
        if place is not None:
            places[number] = place
    return places


def _place(
    boxes: dict[int, Instances],
    places: dict[int, tuple[str, int]],
    found: dict[str, dict[int, Instances]],
    where: str,
) -> None:
    """Add boxes by image number to the sequences."""
    known = boxes.keys() & places.keys()
    if boxes and not known:
        raise ResultsError(
            f"{where}: none of its {len(boxes)} images is one of these sequences; are the boxes of another set?"
        )
    if len(known) < len(boxes):
        _log.warning("%s: boxes of %d images of other sequences left out", where, len(boxes) - len(known))
    for number in known:
        name, position = places[number]
        people = boxes[number]
        assert people.boxes_xyxy is not None
        found[name][position] = people.with_columns(boxes_xyxy=from_pixel_indices(people.boxes_xyxy))


def _add_video(
    video: AnnotatedVideo, sequence: LabelledSequence, found: dict[str, dict[int, Instances]], where: str
) -> None:
    """Add the boxes of a PoseTrack17 file, whose frames are those of the sequence in order."""
    if len(video.frames) != len(sequence.frames):
        raise ResultsError(
            f"{where}: {len(video.frames)} frames, but {sequence.file} has {len(sequence.frames)}"
        )
    people = video.people
    xy = people.keypoints_xy.astype(np.float32)
    boxes = from_pixel_indices(box_around_keypoints(xy, people.present, _PADDING))
    scores = np.nan_to_num(people.scores, nan=1.0).astype(np.float32)
    usable = people.has_points & (people.present.sum(axis=1) > 1)
    for position in np.unique(people.frame_index[usable]).tolist():
        rows = usable & (people.frame_index == position)
        found[sequence.name][position] = Instances(boxes_xyxy=boxes[rows], box_scores=scores[rows])
