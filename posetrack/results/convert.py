"""From a saved `poses.jsonl` to another format."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from posetrack.outputs import check_is_no_input
from posetrack.results.export import export, find_exporter, list_outputs
from posetrack.results.people import KEEP_ALL, ExportOptions
from posetrack.results.poses import SavedPoses
from posetrack.results.record import Record
from posetrack.selection.people import EVERYONE, PeopleSelection

_log = logging.getLogger(__name__)


def convert(
    path: Path | str,
    format_name: str,
    out_dir: Path | str,
    options: ExportOptions = KEEP_ALL,
    *,
    selection: PeopleSelection = EVERYONE,
    raw: bool = False,
) -> Path:
    """Write the poses of a results file, with the edits that lie beside it, in another format.

    Args:
        path: A `poses.jsonl`, or the folder of a run.
        format_name: A key of `posetrack.results.export.FORMATS`.
        out_dir: The folder to write into; it is made.
        options: Thresholds for people and keypoints.
        selection: Whose poses are written. If nobody's are, that is logged as a warning.
        raw: Leave the edits out.

    Returns:
        The file or folder written.

    Raises:
        ResultsError: The output would replace the file itself, the file cannot be read, the format is unknown
            or cannot hold its keypoints, or the output cannot be written.
        PoseTrackError: The selection has an id that is not there, or a region outside the image.
    """
    poses = SavedPoses(path, raw=raw)
    header, records = poses.header, _read(poses if selection.is_everyone else poses.select(selection))
    find_exporter(format_name, header.skeleton, is_truth=options.is_truth)
    check_is_no_input(list_outputs(header, Path(out_dir))[format_name], poses.path)
    return export(records, header, format_name, Path(out_dir), options)


def _read(poses: SavedPoses) -> Iterator[Record]:
    num_people = 0
    for frame in poses:
        num_people += len(frame.instances)
        size_wh = None if frame.size_wh == poses.header.size_wh else frame.size_wh
        yield Record(frame.index, frame.time_s, frame.instances, size_wh)
    if not num_people and not poses.selection.is_everyone:
        _log.warning("%s: nobody fits %s; what is written is empty", poses.path, poses.selection)
