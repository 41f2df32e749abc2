"""Output of the metrics of `posetrack eval`, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from models.extras import MissingPackageError
from posetrack.outputs import check_output_file
from posetrack.results.files import open_whole_file

_UNDEFINED = "-"


def format_percent(fraction: float | None) -> str:
    """Format a fraction from 0 to 1 in percent, as in papers; None if undefined."""
    return _UNDEFINED if fraction is None else f"{100 * fraction:.1f}"


def print_metrics(title: str, metrics: Mapping[str, float | None]) -> None:
    """Print one row of numbers under their names, in percent."""
    table = Table(title=f"{title} (percent)", title_justify="left", box=SIMPLE_HEAD)
    for name in metrics:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_row(*map(format_percent, metrics.values()))
    Console(highlight=False).print(table)


def check_metrics_file(path: Path | None, inputs: Iterable[Path]) -> None:
    """Check the file that metrics will be written to, before any work.

    Args:
        path: The file; None for none.
        inputs: Files, and folders of files, that are read.

    Raises:
        ResultsError: It is a folder, or one of the inputs.
    """
    if path is None:
        return
    files = [file for given in inputs for file in (given.rglob(path.name) if given.is_dir() else [given])]
    check_output_file(path, files)


def check_matplotlib() -> None:
    """Raise the error of a missing package before the evaluation, not after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingPackageError("--plots", "matplotlib", "plots") from error


def write_metrics(content: Mapping[str, object], path: Path) -> None:
    """Write metrics as JSON, unrounded, with null where undefined.

    Args:
        content: Metrics by name, which may be nested.
        path: The file; its folder is created, and an existing file is replaced.

    Raises:
        ResultsError: The file cannot be written.
    """
    with open_whole_file(path) as file:
        file.write(json.dumps(content, indent=2, allow_nan=False) + "\n")
