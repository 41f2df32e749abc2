"""The table of people after a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from posetrack.results.poses import SavedPoses
from posetrack.run.people import PersonReport, report_people

MOST_ROWS = 12


def print_people(console: Console, poses: Path) -> None:
    """Print a row for each person of saved poses, up to some number; those who are seen longest first."""
    people = report_people(SavedPoses(poses, raw=True))
    if people:
        console.print(_make_table(people[:MOST_ROWS]))
    if len(people) > MOST_ROWS:
        console.print(f"  ... and {len(people) - MOST_ROWS} more", highlight=False)


def _make_table(people: Sequence[PersonReport]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("id", "on screen", "mean score", "first frame", "last frame"):
        table.add_column(heading, justify="right")
    for person in people:
        table.add_row(
            str(person.track_id),
            f"{person.seconds:.1f} s",
            f"{person.score:.2f}",
            str(person.first_frame),
            str(person.last_frame),
        )
    return table
