"""From a saved `poses.jsonl` to another format."""

from __future__ import annotations

from pathlib import Path

from posetrack.outputs import check_is_no_input
from posetrack.results.export import export, find_exporter, list_outputs
from posetrack.results.jsonl import read_jsonl
from posetrack.results.people import KEEP_ALL, ExportOptions


def convert(path: Path | str, format_name: str, out_dir: Path | str, options: ExportOptions = KEEP_ALL) -> Path:
    """Write the poses of a results file in another format.

    Args:
        path: A `poses.jsonl`.
        format_name: A key of `posetrack.results.export.FORMATS`.
        out_dir: The folder to write into; it is made.
        options: Thresholds for people and keypoints.

    Returns:
        The file or folder written.

    Raises:
        ResultsError: The output would replace the file itself, the file cannot be read, the format is unknown
            or cannot hold its keypoints, or the output cannot be written.
    """
    header, records = read_jsonl(path)
    find_exporter(format_name, header.skeleton)
    check_is_no_input(list_outputs(header, Path(out_dir))[format_name], Path(path))
    return export(records, header, format_name, Path(out_dir), options)
