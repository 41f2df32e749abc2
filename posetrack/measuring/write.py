"""`write_measures`: a folder with the measures of everyone, as tables, OpenSim files, plots and notes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.extras import MissingPackageError
from models.settings import suggest
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.measuring.measure import measure_people, open_poses
from posetrack.measuring.settings import MeasureSettings

if TYPE_CHECKING:
    from posetrack.low_pass import DoubleArray
    from posetrack.measuring.person import MeasuredPerson
    from posetrack.measuring.tracks import PosesClock
    from posetrack.results.poses import SavedPoses

FORMATS = ("wide", "long", "trc", "mot", "plots")
"""What is written beside summary.csv and notes.txt."""

OWN_FILES = ("summary.csv", "notes.txt", "wide.csv", "long.csv", "person-*.trc", "person-*.mot", "*.png")
MOST_PLOTTED = 12
"""People of whom plots are drawn, those who are seen longest."""
MOST_LONG_SIGHTINGS = 300_000
"""People of all frames up to which long.csv is written unasked; it has some 70 rows for each."""


@dataclass(frozen=True)
class PersonSummary:
    """What is told of one person.

    Attributes:
        track_id: Of the person.
        summary: `MeasuredPerson.summary`.
        warnings: `MeasuredPerson.warnings`.
        remarks: `MeasuredPerson.remarks`.
    """

    track_id: int
    summary: Mapping[str, float]
    warnings: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class MeasureReport:
    """What `write_measures` has written.

    Attributes:
        files: The files.
        people: The people, by track id.
        left_out: What was not written, and why, a line each.
    """

    files: tuple[Path, ...]
    people: tuple[PersonSummary, ...]
    left_out: tuple[str, ...] = ()


def write_measures(
    poses: SavedPoses | str | Path,
    folder: str | Path,
    settings: MeasureSettings | None = None,
    *,
    formats: Sequence[str] | None = None,
    overwrite: bool = False,
) -> MeasureReport:
    """Measure everyone with a track id in saved poses, and write a folder of results.

    Always `summary.csv`, one row a person, and `notes.txt`, which says what was done and what the measures
    mean. `wide`: `wide.csv`, one row a person and frame. `long`: `long.csv`, one row a value. `trc`:
    `person-<id>.trc`, OpenSim's markers, in metres. `mot`: `person-<id>.mot`, OpenSim's motions, the angles.
    `plots`: `paths.png`, `angles-<id>.png` and `figures-<id>.png`.

    >>> from tempfile import TemporaryDirectory
    >>> from posetrack import MeasureSettings, Tracker, read_poses, write_measures
    >>> with TemporaryDirectory() as folder:
    ...     report = Tracker("fast").run("docs/media/street.mp4", folder, overlay=False, start_s=3.2, end_s=3.7)
    ...     written = write_measures(f"{folder}/poses.jsonl", f"{folder}/measures", formats=["wide", "mot"])
    >>> [file.name for file in written.files]
    ['summary.csv', 'notes.txt', 'wide.csv', 'person-1.mot']

    Args:
        poses: The poses; `read_poses(...).select(...)` chooses people.
        folder: The folder; it appears when everything is in it.
        settings: The settings; None for the defaults, with lengths in pixels.
        formats: Of `FORMATS`; None for all that can be written.
        overwrite: Whether measures that are in the folder are replaced.

    Returns:
        What was written, and what is told of each person.

    Raises:
        ResultsError: The folder is there already, or the poses or files cannot be used.
        PoseTrackError: An id of the settings is not there, or a format needs metres.
        MissingPackageError: Plots are asked for by name, and matplotlib is not installed.
    """
    from posetrack.measuring.tracks import read_clock
    from posetrack.results.files import make_whole_folder

    settings = MeasureSettings() if settings is None else settings
    folder = Path(os.path.abspath(folder))
    if not folder.name or folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not overwrite):
        raise ResultsError(f"{folder}: is there already; use --overwrite, or another --out")
    chosen, left_out = _choose_formats(formats, settings)
    poses = open_poses(poses)
    clock = read_clock(poses)
    if formats is None and sum(clock.counts.values()) > MOST_LONG_SIGHTINGS:
        chosen.remove("long")
        left_out.append("long.csv: left out, it would have many millions of rows; --format long writes it")
    with make_whole_folder(folder, *OWN_FILES) as part, ExitStack() as stack:
        writer = _Writer(part, poses, settings, chosen, clock, stack)
        for person in measure_people(poses, clock, settings):
            writer.write(person)
        names = writer.finish(left_out)
    return MeasureReport(tuple(folder / name for name in names), tuple(writer.people), tuple(left_out))


def _choose_formats(formats: Sequence[str] | None, settings: MeasureSettings) -> tuple[list[str], list[str]]:
    """The formats to write, and lines about those that cannot be, if they were not asked for by name."""
    chosen = list(FORMATS if formats is None else dict.fromkeys(formats))
    left_out: list[str] = []
    for name in chosen:
        if name not in FORMATS:
            raise PoseTrackError(f"format {name}: {suggest(name, FORMATS)}")
    if "trc" in chosen and settings.unit != "m":
        if formats is not None:
            raise PoseTrackError("format trc: its markers are in metres; give --height or --scale")
        left_out.append("person-*.trc: left out, OpenSim's markers are in metres; give --height or --scale")
        chosen.remove("trc")
    if "plots" in chosen:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            missing = MissingPackageError("plots", "matplotlib", "plots")
            if formats is not None:
                raise missing from error
            left_out.append(f"plots: left out; {str(missing).removeprefix('plots: ')}")
            chosen.remove("plots")
    return chosen, left_out


class _Writer:
    """Writes people as they are measured."""

    def __init__(
        self,
        folder: Path,
        poses: SavedPoses,
        settings: MeasureSettings,
        formats: Sequence[str],
        clock: PosesClock,
        stack: ExitStack,
    ) -> None:
        from posetrack.measuring.tables import LongTable, SummaryTable, WideTable, open_table

        self._folder, self._poses, self._settings = folder, poses, settings
        self._formats, self._clock = formats, clock
        self.people: list[PersonSummary] = []
        self._names: list[str] = ["summary.csv", "notes.txt"]
        self._tables: list[SummaryTable | WideTable | LongTable] = [
            SummaryTable(stack.enter_context(open_table(folder / "summary.csv")), settings)
        ]
        for name, kind in (("wide", WideTable), ("long", LongTable)):
            if name in formats:
                self._tables.append(kind(stack.enter_context(open_table(folder / f"{name}.csv"))))
                self._names.append(f"{name}.csv")
        longest = sorted(clock.counts, key=lambda track_id: (-clock.counts[track_id], track_id))
        self._plotted = frozenset(longest[:MOST_PLOTTED])
        self._paths: dict[int, DoubleArray] = {}

    def write(self, person: MeasuredPerson) -> None:
        """Write what is of one person."""
        from posetrack.measuring.notes import make_short_notes
        from posetrack.measuring.opensim import write_mot, write_trc

        for table in self._tables:
            table.write(person)
        header, name = self._poses.header, f"person-{person.track_id}"
        if "trc" in self._formats and write_trc(
            person, header.skeleton, header.height, self._folder / f"{name}.trc"
        ):
            self._names.append(f"{name}.trc")
        if "mot" in self._formats:
            notes = make_short_notes(self._settings)
            if write_mot(person, header.skeleton, notes, self._folder / f"{name}.mot"):
                self._names.append(f"{name}.mot")
        if "plots" in self._formats and person.track_id in self._plotted:
            self._draw(person)
        self.people.append(PersonSummary(person.track_id, person.summary, person.warnings, person.remarks))

    def finish(self, left_out: list[str]) -> list[str]:
        """Write what is of everyone; returns the names of all files."""
        from posetrack.measuring.notes import make_notes

        if self._paths:
            from posetrack.measuring.plots import draw_paths

            size_wh = self._poses.header.size_wh
            draw_paths(self._paths, self._settings.floor, size_wh, self._folder / "paths.png")
            self._names.append("paths.png")
            others = len(self.people) - len(self._plotted)
            if others > 0:
                left_out.append(
                    f"plots: of the {MOST_PLOTTED} people who are seen longest; {others} others are left out, "
                    "--only chooses people"
                )
        remarks = [(each.track_id, line) for each in self.people for line in (*each.warnings, *each.remarks)]
        text = make_notes(
            self._poses.header,
            self._poses.path.name,
            self._settings,
            self._clock,
            remarks=remarks,
            left_out=left_out,
        )
        (self._folder / "notes.txt").write_text(text, encoding="utf-8")
        return self._names

    def _draw(self, person: MeasuredPerson) -> None:
        from posetrack.measuring.plots import draw_angles, draw_figures, find_path

        skeleton = self._poses.header.skeleton
        name = f"angles-{person.track_id}.png"
        draw_angles(person, self._settings, self._folder / name)
        self._names.append(name)
        name = f"figures-{person.track_id}.png"
        if draw_figures(person, skeleton, self._folder / name):
            self._names.append(name)
        self._paths[person.track_id] = find_path(person, skeleton, self._settings.floor)
