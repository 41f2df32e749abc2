"""OpenPose: a folder with one JSON file a frame, as its `--write_json` with the COCO model writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from posetrack.frame import FloatArray
from posetrack.results.files import make_whole_folder
from posetrack.results.people import ExportedPeople, ExportOptions, select_people
from posetrack.results.record import Header, Record
from posetrack.skeleton import COCO_17

OWN_FILES = "*_keypoints.json"
"""Names of the files."""

OPENPOSE_18_NAMES = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
"""The order of OpenPose's COCO model (`POSE_COCO_BODY_PARTS` of its documentation, doc/output.md)."""

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

    `pose_keypoints_2d` has 18 keypoints x, y, score in the order `OPENPOSE_18_NAMES`, x and y as indices of
    pixels; an absent one is zeros.
    `person_id` is the track id, -1 where there is none. People without any keypoint are left out.

    Args:
        records: Frames in order, one at a time in memory.
        header: Of a video with `COCO_17` keypoints.
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
                convert_keypoints=convert_coco17_to_openpose18,
                posed_only=True,
                keypoints_as_indices=True,
            )
            file = folder / f"{header.video_name}_{record.frame:012d}_keypoints.json"
            text = json.dumps({"version": 1.3, "people": _make_people(people)}, allow_nan=False)
            file.write_text(text + "\n", encoding="utf-8")
    return path


def convert_coco17_to_openpose18(
    keypoints_xy: FloatArray, keypoint_scores: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Order COCO's keypoints as OpenPose does and add the neck, the middle of the shoulders.

    Args:
        keypoints_xy: (N, 17, 2), pixels.
        keypoint_scores: (N, 17).

    Returns:
        Keypoints (N, 18, 2) and their scores (N, 18); the neck has the lower of the shoulders' scores.
    """
    shoulders = [COCO_17.names.index("left_shoulder"), COCO_17.names.index("right_shoulder")]
    neck_xy = keypoints_xy[:, shoulders].mean(axis=1, keepdims=True)
    neck_scores = keypoint_scores[:, shoulders].min(axis=1, keepdims=True)
    order = [(*COCO_17.names, "neck").index(name) for name in OPENPOSE_18_NAMES]
    return (
        np.concatenate([keypoints_xy, neck_xy], axis=1)[:, order],
        np.concatenate([keypoint_scores, neck_scores], axis=1)[:, order],
    )


def _make_people(people: ExportedPeople) -> list[dict[str, object]]:
    triples = np.concatenate([people.keypoints_xy, people.keypoint_scores[..., None]], axis=2)
    triples = np.where(people.present[..., None], triples, 0.0)
    return [
        {
            "person_id": [track_id],
            "pose_keypoints_2d": row,
            **{part: [] for part in _OTHER_PARTS},
        }
        for track_id, row in zip(
            people.track_ids.tolist(), triples.reshape(len(people), 54).tolist(), strict=True
        )
    ]
