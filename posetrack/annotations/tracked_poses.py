"""Reading of our own `poses.jsonl` as predictions for a PoseTrack sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posetrack.annotations.video import AnnotatedFrame, AnnotatedPeople, AnnotatedVideo
from posetrack.edits.read import read_edited
from posetrack.errors import ResultsError
from posetrack.results.conversions import find_posetrack_conversion, list_able
from posetrack.results.people import KEEP_ALL, ExportOptions
from posetrack.results.posetrack_people import TrackNumbers, select_posetrack_people


def read_tracked_poses(
    path: Path, name: str, options: ExportOptions = KEEP_ALL, *, raw: bool = False
) -> AnnotatedVideo:
    """Read a results file as the PoseTrack exports write it: 15 keypoints, rounded, track ids below 10,000.

    Args:
        path: A `poses.jsonl` with keypoints that have a conversion (`find_posetrack_conversion`).
        name: Name of the sequence.
        options: Which people and keypoints are left out.
        raw: Leave out the edits that lie beside the file.

    Returns:
        The sequence, one frame per record.

    Raises:
        ResultsError: The file cannot be read, or its keypoints cannot be converted to PoseTrack's.
    """
    header, records = read_edited(path, raw=raw)
    if find_posetrack_conversion(header.skeleton) is None:
        raise ResultsError(
            f"{path}: {header.skeleton.name} keypoints cannot be evaluated on PoseTrack; "
            f"these can: {list_able(find_posetrack_conversion)}"
        )
    numbers = TrackNumbers()
    frames, index, ids, chosen = [], [], [], []
    for position, record in enumerate(records):
        people = select_posetrack_people(record.instances, header.skeleton, options)
        frames.append(AnnotatedFrame(file_name=f"{name}/{record.frame:06d}.jpg", image_id=record.frame))
        index += [position] * len(people)
        ids += numbers.number(people.track_ids)
        chosen.append(people)
    N = len(index)
    xy = np.concatenate([np.zeros((0, 15, 2)), *(people.keypoints_xy for people in chosen)])
    scores = np.concatenate([np.zeros((0, 15)), *(people.keypoint_scores for people in chosen)])
    present = np.concatenate([np.zeros((0, 15), bool), *(people.present for people in chosen)])
    return AnnotatedVideo(
        name,
        tuple(frames),
        AnnotatedPeople(
            frame_index=np.array(index, np.int64),
            track_ids=np.array(ids, np.int64),
            has_track_id=np.ones(N, bool),
            scores=np.concatenate([np.zeros(0), *(people.person_scores for people in chosen)]),
            head_boxes_xyxy=np.full((N, 4), np.nan),
            boxes_xyxy=np.concatenate([np.zeros((0, 4)), *(people.boxes_xyxy for people in chosen)]),
            has_points=np.ones(N, bool),
            keypoints_xy=np.where(present[..., None], xy, np.nan),
            keypoint_scores=np.where(present, scores, np.nan),
            visibility=np.where(present, 1.0, np.nan),
        ),
    )
