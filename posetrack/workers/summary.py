"""`summary.csv`: a row for each source of a run over many, written again whenever one has ended."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from posetrack.errors import ResultsError
from posetrack.results.files import open_whole_file
from posetrack.run.report import RunReport

SUMMARY_NAME = "summary.csv"


@dataclass(frozen=True)
class SummaryRow:
    """What came of one source.

    Attributes:
        source: The source as it was given.
        folder: Name of the folder of its results; empty where it could not be opened.
        frames: Number of frames.
        people: Mean number of people a frame.
        ids: Number of track ids.
        fps: Frames that were done in a second.
        seconds: Time from the start until the last frame was written.
        worker: Name of the worker.
        error: One line on why it failed; empty where it did not.
    """

    source: str
    folder: str
    frames: int = 0
    people: float = 0.0
    ids: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    worker: str = ""
    error: str = ""


_COLUMNS = tuple(field.name for field in fields(SummaryRow))


def make_row(source: str, folder: str, report: RunReport, worker: str, error: str = "") -> SummaryRow:
    """Make the row of a source that has a report.

    Args:
        source: The source as it was given.
        folder: Name of the folder of its results.
        report: The report.
        worker: Name of the worker.
        error: Why it counts as failed all the same.
    """
    return SummaryRow(
        source,
        folder,
        report.num_frames,
        round(report.people_per_frame, 3),
        report.num_ids,
        round(report.frames_per_s, 2),
        round(report.seconds, 2),
        worker,
        error,
    )


class Summary:
    """The rows of a `summary.csv`: those of earlier runs into the same folder, too.

    Args:
        path: The file.

    Raises:
        ResultsError: The file is there and cannot be read, or is another one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, SummaryRow] = {}
        if path.exists():
            self._rows = {_find_key(row): row for row in _read(path)}

    def find_finished(self, source: str, folder: str) -> SummaryRow | None:
        """The row of a source that has been finished into a folder of this name; None where it has not."""
        row = self._rows.get(folder)
        return row if row is not None and row.source == source and not row.error and row.frames else None

    def add(self, row: SummaryRow) -> None:
        """Add a row in place of an earlier one of the same source, and write the file.

        Raises:
            ResultsError: The file cannot be written.
        """
        self._rows.pop(row.source, None)  # Of a source that could not be opened.
        self._rows[_find_key(row)] = row
        with open_whole_file(self.path) as file:
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(each) for each in self._rows.values())


def _find_key(row: SummaryRow) -> str:
    return row.folder or row.source


def _read(path: Path) -> list[SummaryRow]:
    remedy = "move it away, or use another --out"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise ResultsError(f"{path}: no summary of posetrack run; {remedy}")
            return [_parse(entry) for entry in reader]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise ResultsError(f"{path}: cannot be read: {error}; {remedy}") from error


def _parse(entry: dict[str, str]) -> SummaryRow:
    kinds = {field.name: type(field.default) for field in fields(SummaryRow)}
    parse: dict[type, Callable[[str], object]] = {int: int, float: float}
    return SummaryRow(**{name: parse.get(kinds[name], str)(text) for name, text in entry.items()})  # type: ignore[arg-type]
