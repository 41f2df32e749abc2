"""OpenPose: a folder with one JSON file a frame, as its `--write_json` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from posetrack.results.conversions import find_openpose_conversion
from posetrack.results.files import make_whole_folder
from posetrack.results.people import ExportedPeople, ExportOptions, select_people
from posetrack.results.record import Header, Record

OWN_FILES = "*_keypoints.json"
"""Names of the files."""

# OpenPose lists these for every person, empty where their networks did not run.
_OTHER_PARTS = (
    "face_keypoints_2d",
    "hand_left_keypoints_2d",
    "hand_right_keypoints_2d",
    "pose_keypoints_3d",
    "face_keypoints_3d",
    "hand_left_keypoints_3d",
    "hand_right_keypoints_3d",
)


def write_openpose(records: Iterable[Record], header: Header, out_dir: Path, options: ExportOptions) -> Path:
    """Write `openpose/<video>_000000000000_keypoints.json` and so on, numbered by the frame's index.

    `pose_keypoints_2d` has x, y, score of the 25 keypoints of BODY_25 where there are feet, else of the 18 of
    the COCO model (`choose_openpose_names`), x and y as indices of pixels; an absent one is zeros.
    `person_id` is the track id, -1 where there is none. People without any keypoint are left out.

    Args:
        records: Frames in order, one at a time in memory.
        header: Of a video with keypoints that have a conversion (`find_openpose_conversion`).
        out_dir: The folder that holds `openpose/`.
        options: Thresholds for people and keypoints.

    Returns:
        The folder.

    Raises:
        ResultsError: The folder cannot be written, or holds files of other kinds.
    """
    path = out_dir / "openpose"
    with make_whole_folder(path, OWN_FILES) as folder:
        for record in records:
            people = select_people(
                record.instances,
                header.skeleton,
                options,
                convert_keypoints=find_openpose_conversion(header.skeleton),
                posed_only=True,
                keypoints_as_indices=True,
            )
            file = folder / f"{header.video_name}_{record.frame:012d}_keypoints.json"
            text = json.dumps({"version": 1.3, "people": _make_people(people)}, allow_nan=False)
            file.write_text(text + "\n", encoding="utf-8")
    return path


def _make_people(people: ExportedPeople) -> list[dict[str, object]]:
    triples = np.concatenate([people.keypoints_xy, people.keypoint_scores[..., None]], axis=2)
    triples = np.where(people.present[..., None], triples, 0.0)
    rows = [row.ravel().tolist() for row in triples]
    return [
        {
            "person_id": [track_id],
            "pose_keypoints_2d": row,
            **{part: [] for part in _OTHER_PARTS},
        }
        for track_id, row in zip(people.track_ids.tolist(), rows, strict=True)
    ]
