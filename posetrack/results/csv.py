"""CSV: a table for spreadsheets and data frames, one row a person."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from posetrack.results.files import open_whole_file
from posetrack.results.people import ExportedPeople, ExportOptions, select_people
from posetrack.results.record import Header, Record
from posetrack.results.rounding import round_time


def write_csv(records: Iterable[Record], header: Header, out_dir: Path, options: ExportOptions) -> Path:
    """Write `poses.csv`.

    The columns are `frame`, `time`, `track_id`, `x1`, `y1`, `x2`, `y2`, `score` (of the box), then
    `<keypoint>_x`, `<keypoint>_y`, `<keypoint>_score` for each keypoint; an absent keypoint leaves its cells
    empty. Everything is in continuous pixels, as in `poses.jsonl`. A frame with nobody has no row.

    Args:
        records: Frames in order, one at a time in memory.
        header: Of the video.
        out_dir: The folder to write into.
        options: Thresholds for people and keypoints.

    Returns:
        The file.

    Raises:
        ResultsError: The file cannot be written.
    """
    path = out_dir / "poses.csv"
    columns = ["frame", "time", "track_id", "x1", "y1", "x2", "y2", "score"]
    columns += [f"{name}_{part}" for name in header.skeleton.names for part in ("x", "y", "score")]
    with open_whole_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for record in records:
            people = select_people(record.instances, header.skeleton, options)
            time_s = round_time(record.time_s)
            writer.writerows([record.frame, time_s, *row] for row in _make_rows(people))
    return path


def _make_rows(people: ExportedPeople) -> list[list[object]]:
    cells = [
        [
            cell
            for (x, y), score, is_present in zip(points, scores, flags, strict=True)
            for cell in ((x, y, score) if is_present else ("", "", ""))
        ]
        for points, scores, flags in zip(
            people.keypoints_xy.tolist(),
            people.keypoint_scores.tolist(),
            people.present.tolist(),
            strict=True,
        )
    ]
    return [
        [track_id, *box, score, *row]
        for track_id, box, score, row in zip(
            people.track_ids.tolist(),
            people.boxes_xyxy.tolist(),
            people.box_scores.tolist(),
            cells,
            strict=True,
        )
    ]
