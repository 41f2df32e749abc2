"""PoseTrack18 predictions: COCO-style JSON, one file a video, named like its ground truth."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from posetrack.frame import to_xywh
from posetrack.results.files import open_whole_file, write_json_array
from posetrack.results.people import ExportedPeople, ExportOptions, flatten_keypoints
from posetrack.results.posetrack_people import (
    TrackNumbers,
    estimate_head_boxes,
    raise_zero_scores,
    select_posetrack_people,
)
from posetrack.results.record import Header, Record
from posetrack.results.rounding import RoundedArray, round_pixels
from posetrack.skeleton import COCO_17, POSETRACK_15

POSETRACK18_NAMES = (
    "nose",
    "head_bottom",
    "head_top",
    "left_ear",
    "right_ear",
    *COCO_17.names[5:],
)
"""Keypoint names of a PoseTrack18 file, in order: the body is COCO's; the ears are never annotated."""

POSETRACK18_JOINTS = tuple(
    POSETRACK_15.names.index(name) if name in POSETRACK_15.names else None
    for name in (name.replace("head_bottom", "neck") for name in POSETRACK18_NAMES)
)
"""Where each of them stands in `POSETRACK_15`, which calls the head bottom `neck`; None for the ears."""

POSETRACK18_CATEGORY = {
    "id": 1,
    "name": "person",
    "supercategory": "person",
    "keypoints": POSETRACK18_NAMES,
    "skeleton": [],
}
"""The one category of a PoseTrack18 file."""

# What the second word of a sequence's name puts first in its image ids (poseval's `posetrack18_id2fname`).
_SEQUENCE_KINDS = {"mpii": 1, "bonn": 2, "mpiinew": 3}


def write_posetrack18(records: Iterable[Record], header: Header, out_dir: Path, options: ExportOptions) -> Path:
    """Write `posetrack18/<video>.json`.

    Images are numbered as PoseTrack numbers them where the source is named like one of its sequences
    (`000342_mpii_test`). The video's keypoints become PoseTrack's (`find_posetrack_conversion`). Ground
    truth has head boxes (`estimate_head_boxes`) instead of scores.

    Args:
        records: Frames in order, one at a time in memory.
        header: Of the video.
        out_dir: The folder that holds `posetrack18/`.
        options: Thresholds for people and keypoints.

    Returns:
        The file.

    Raises:
        ResultsError: The file cannot be written, or the video has more than 10,000 tracks.
    """
    path = out_dir / "posetrack18" / f"{header.video_name}.json"
    frames = array("q")
    with open_whole_file(path) as file:
        file.write('{"annotations": ')
        write_json_array(file, _make_annotations(records, header, options, frames))
        file.write(',\n"images": ')
        write_json_array(file, _make_images(header.video_name, frames))
        file.write(f',\n"categories": {json.dumps([POSETRACK18_CATEGORY])}}}\n')
    return path


def _make_annotations(
    records: Iterable[Record], header: Header, options: ExportOptions, frames: array[int]
) -> Iterator[dict[str, object]]:
    """Make one annotation a person, and note every frame that went by in `frames`."""
    numbers = TrackNumbers()
    first_image_id = number_first_image(header.video_name)
    annotation_id = 0
    for record in records:
        frames.append(record.frame)
        people = select_posetrack_people(record.instances, header.skeleton, options)
        keypoints, scores = _order_keypoints(people)
        own: list[dict[str, object]]
        if options.is_truth:
            own = [{"bbox_head": box} for box in round_pixels(to_xywh(estimate_head_boxes(people))).tolist()]
        else:
            person_scores = raise_zero_scores(people.person_scores)
            own = [
                {"scores": row, "score": score}
                for row, score in zip(scores.tolist(), person_scores, strict=True)
            ]
        for track_id, box, keypoint_row, fields in zip(
            numbers.number(people.track_ids), people.boxes_xywh.tolist(), keypoints, own, strict=True
        ):
            annotation_id += 1
            yield {
                "id": annotation_id,
                "image_id": first_image_id + record.frame,
                "track_id": track_id,
                "category_id": 1,
                "bbox": box,
                "keypoints": keypoint_row,
                **fields,
            }


def _order_keypoints(people: ExportedPeople) -> tuple[list[list[float]], RoundedArray]:
    """Lay out the 15 joints as 17 triples with v = 1, and their scores as (N, 17); zeros where absent."""
    keypoints: list[list[float]] = [[] for _ in range(len(people))]
    scores = np.zeros((len(people), len(POSETRACK18_NAMES)))
    triples = flatten_keypoints(people, visibility=1)
    for column, joint in enumerate(POSETRACK18_JOINTS):
        if joint is not None:
            scores[:, column] = people.keypoint_scores[:, joint] * people.present[:, joint]
        for ordered, row in zip(keypoints, triples, strict=True):
            ordered.extend((0.0, 0.0, 0) if joint is None else row[3 * joint : 3 * joint + 3])
    return keypoints, scores


def _make_images(video_name: str, frames: array[int]) -> Iterator[dict[str, object]]:
    first_image_id = number_first_image(video_name)
    vid_id = find_vid_id(video_name)
    for frame in frames:
        yield {
            "id": first_image_id + frame,
            "file_name": f"images/{video_name}/{frame:06d}.jpg",
            "frame_id": first_image_id + frame,
            "vid_id": vid_id,
            "nframes": len(frames),
            "is_labeled": True,
        }


def number_first_image(video_name: str) -> int:
    """The image id of a video's frame 0; the others count on from it.

    Args:
        video_name: Like one of PoseTrack's sequences (`000342_mpii_test`) or any other.

    Returns:
        10,000,000,000 * kind + 10,000 * sequence, as PoseTrack numbers its sequences; for any other video that
        of a sequence 0.
    """
    sequence = _match_sequence(video_name)
    if sequence is None:
        return 10_000_000_000
    return _SEQUENCE_KINDS[sequence["kind"]] * 10_000_000_000 + int(sequence["number"]) * 10_000


def find_vid_id(video_name: str) -> str:
    """The number of one of PoseTrack's sequences as its files write it; of any other video the whole name."""
    sequence = _match_sequence(video_name)
    return sequence["number"] if sequence else video_name


def _match_sequence(video_name: str) -> re.Match[str] | None:
    return re.match(rf"(?P<number>[0-9]{{1,6}})_(?P<kind>{'|'.join(_SEQUENCE_KINDS)})(?:_|$)", video_name)
