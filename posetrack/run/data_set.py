"""Results of tracked sequences of a data set, as its benchmark takes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from posetrack.annotations.convert import ENCODERS
from posetrack.annotations.tracked_poses import read_tracked_poses
from posetrack.annotations.video import AnnotatedVideo
from posetrack.data_sets.sequences import LabelledSequence
from posetrack.results.files import open_whole_file
from posetrack.results.people import ExportOptions
from posetrack.results.posetrack_people import raise_zero_scores


def write_sequence_results(sequence: LabelledSequence, poses: Path, out: Path, options: ExportOptions) -> Path:
    """Write tracked poses in the format of a sequence's annotations, with their names and numbers of images.

    Every frame that the annotations list is written, also where its image could not be read.

    Args:
        sequence: The sequence.
        poses: The `poses.jsonl` of a run over its images.
        out: Folder to write `NAME.json` into.
        options: Thresholds for people and keypoints.

    Returns:
        The file.

    Raises:
        ResultsError: The poses cannot be read, have other keypoints than COCO's or PoseTrack's, or cannot be
            written.
    """
    found = read_tracked_poses(poses, sequence.name, options, raw=True)
    # The indices of the frames of a run are their places in the list of images.
    places = np.array([frame.image_id for frame in found.frames], np.int64)
    people = found.people
    scores = np.array(raise_zero_scores(people.scores))
    people = replace(people, frame_index=places[people.frame_index], scores=scores)
    if sequence.format_name == "posetrack17":
        # Its files have a head box of everyone; of predictions nobody looks at it.
        people = replace(people, head_boxes_xyxy=np.zeros((len(people), 4)))
    frames = tuple(replace(frame, ignore_regions=()) for frame in sequence.frames)
    path = out / f"{sequence.name}.json"
    with open_whole_file(path) as file:
        json.dump(
            ENCODERS[sequence.format_name](AnnotatedVideo(sequence.name, frames, people)), file, allow_nan=False
        )
        file.write("\n")
    return path
