"""From a saved `poses.jsonl` to another format."""

from __future__ import annotations

from pathlib import Path

from posetrack.results.export import export
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
        ResultsError: The file cannot be read, the format is unknown or cannot hold its keypoints, or the
            output cannot be written.
    """
    header, records = read_jsonl(path)
    return export(records, header, format_name, Path(out_dir), options)
