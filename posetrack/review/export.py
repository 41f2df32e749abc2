"""Corrected poses as ground truth."""

from __future__ import annotations

from pathlib import Path

from models.settings import suggest
from posetrack.errors import ResultsError
from posetrack.results.convert import convert
from posetrack.results.people import GROUND_TRUTH

EXPORTS = ("posetrack18", "coco")
"""The formats of ground truth."""


def export_ground_truth(path: Path, format_name: str, out_dir: Path) -> Path:
    """Write poses with their edits as ground truth.

    Args:
        path: A `poses.jsonl`.
        format_name: One of `EXPORTS`.
        out_dir: The folder to write into.

    Raises:
        ResultsError: There is no such format of ground truth, or it cannot be written.
    """
    if format_name not in EXPORTS:
        raise ResultsError(
            f"--export {format_name}: no format of ground truth; {suggest(format_name, EXPORTS)}"
        )
    return convert(path, format_name, out_dir, GROUND_TRUTH)
