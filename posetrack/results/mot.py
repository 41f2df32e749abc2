"""MOTChallenge: one text line a person, with the box and no keypoints."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from posetrack.results.files import open_whole_file
from posetrack.results.people import ExportOptions, select_people
from posetrack.results.record import Header, Record


def write_mot(records: Iterable[Record], header: Header, out_dir: Path, options: ExportOptions) -> Path:
    """Write `mot.txt`: `frame,id,left,top,width,height,conf,-1,-1,-1`.

    Frames count from 1. Pixels stay as they are in PoseTrack, from 0, as most trackers write them. `conf` is
    the box score; `id` is -1 where there is no track.

    Args:
        records: Frames in order, one at a time in memory.
        header: Of the video.
        out_dir: The folder to write into.
        options: Thresholds for people.

    Returns:
        The file.

    Raises:
        ResultsError: The file cannot be written.
    """
    path = out_dir / "mot.txt"
    with open_whole_file(path) as file:
        for record in records:
            people = select_people(record.instances, header.skeleton, options)
            for track_id, xywh, score in zip(
                people.track_ids, people.boxes_xywh, people.box_scores, strict=True
            ):
                box = ",".join(f"{number:.2f}" for number in xywh)
                file.write(f"{record.frame + 1},{track_id},{box},{score:.4f},-1,-1,-1\n")
    return path
