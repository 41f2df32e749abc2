"""Many sources over several workers: tasks, progress, a summary table and `summary.csv`."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from posetrack.cli.many_progress import ManyProgress
from posetrack.cli.messages import print_error, to_line
from posetrack.cli.output_options import OUT, OutputOptions, choose_folder
from posetrack.cli.run_summary import describe_losses
from posetrack.errors import PoseTrackError
from posetrack.run.sources import Part, open_source
from posetrack.workers.staging import CHECKPOINT_NAME
from posetrack.workers.summary import SUMMARY_NAME, Summary, SummaryRow, make_row
from posetrack.workers.task import Note, Outcome, Progress, Task, TaskRunner, VideoTask

if TYPE_CHECKING:
    from posetrack.run.job import Output

_log = logging.getLogger(__name__)


@dataclass
class Batch:
    """The sources of a run over many, and what has come of them.

    Attributes:
        groups: The sources.
        part: The part of each.
        output: Options of the output.
        place: Says what is written into a folder, as `OutputOptions.place`.
        rows: A row for each source that has ended, in the order in which they ended.
    """

    groups: list[str | tuple[str, ...]]
    part: Part
    output: OutputOptions
    place: Callable[..., Output]
    rows: list[SummaryRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._summary = Summary((self.output.out or OUT) / SUMMARY_NAME)
        self._tasks: dict[int, VideoTask] = {}

    def run(self, runner: TaskRunner) -> bool:
        """Do all sources; returns whether all succeeded.

        Raises:
            KeyboardInterrupt: Ctrl-C; the files of the workers are closed.
            PoseTrackError: The networks cannot be loaded, or `summary.csv` not be written.
        """
        shown = ManyProgress(self._console, len(self.groups), is_quiet=self.output.quiet)
        try:
            for outcome in self._do(runner, self._make_tasks(shown), shown):
                self._note(outcome)
        finally:
            self._print()
        return not any(row.error for row in self.rows)

    def _do(self, runner: TaskRunner, tasks: Iterable[Task], shown: ManyProgress) -> Iterator[Outcome]:
        """Do tasks, and show their progress.

        Raises:
            PoseTrackError: No worker can do them.
        """
        with shown, closing(runner.run(tasks, self._listen(shown))) as outcomes:
            for outcome in outcomes:
                if outcome.is_fatal:
                    raise PoseTrackError(outcome.error)
                shown.end(outcome.number)
                yield outcome

    def _make_tasks(self, shown: ManyProgress) -> Iterator[VideoTask]:
        """Open each source for its name; those that cannot be opened have failed."""
        taken: set[Path] = set()
        is_alone = len(self.groups) == 1
        for number, group in enumerate(self.groups):
            try:
                with open_source(group, **self.part) as video:
                    info = video.info
                folder = choose_folder(self.output.out, info.name, is_alone=is_alone, taken=taken)
                output: Output = self.place(folder, is_alone=is_alone)
                if output.existing == "overwrite":
                    shutil.rmtree(folder / CHECKPOINT_NAME, ignore_errors=True)
                if output.existing == "refuse":
                    output = replace(output, existing="resume")
                done = self._summary.find_finished(info.source, folder.name)
                if done is not None and output.existing == "resume":
                    output = replace(output, finished_frames=done.frames)
                sheet = self.output.place_sheet(folder, is_alone=is_alone)
            except PoseTrackError as error:
                self._add(SummaryRow(str(group), "", error=str(error)))
                shown.end(number)
                continue
            self._tasks[number] = task = VideoTask(
                number, info.source, group, self.part, output, sheet, info.num_frames
            )
            shown.add(task)
            yield task

    def _listen(self, shown: ManyProgress) -> Callable[[Progress | Note], None]:
        def tell(message: Progress | Note) -> None:
            if isinstance(message, Note):
                _log.log(message.level, "%s", message.text)
            else:
                shown.show(message)

        return tell

    def _note(self, outcome: Outcome) -> None:
        """Note what has come of a task."""
        task = self._tasks[outcome.number]
        folder, report = task.output.folder.name, outcome.report
        if report is None:
            self._add(SummaryRow(task.name, folder, worker=outcome.worker, error=outcome.error))
            return
        error = ""
        if self.output.strict and not report.is_source_whole:
            error = f"{describe_losses(report)} (--strict)"
        before = self._summary.find_finished(task.name, folder)
        if before is not None and not error and report.num_restored == report.num_frames == before.frames:
            self.rows.append(before)
            return
        self._add(make_row(task.name, folder, report, outcome.worker, error))

    def _add(self, row: SummaryRow) -> None:
        row = replace(row, source=to_line(row.source), error=to_line(row.error))
        self.rows.append(row)
        self._summary.add(row)

    def _print(self) -> None:
        """Print the table, and a line for each source that failed."""
        if self.rows and not self.output.quiet:
            self._console.print(_make_table(self.rows))
            self._console.print(f"  {self._summary.path}", markup=False, soft_wrap=True)
        for row in self.rows:
            if row.error:
                print_error(row.error)


def _make_table(rows: Iterable[SummaryRow]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("source", overflow="fold")
    for heading in ("frames", "people", "ids", "frames/s", "seconds", "worker"):
        table.add_column(heading, justify="right", no_wrap=True, overflow="ignore")
    for row in rows:
        numbers = (str(row.frames), f"{row.people:.1f}", str(row.ids), f"{row.fps:.1f}", f"{row.seconds:.1f}")
        cells = ("failed", "", "", "", "") if row.error else numbers
        table.add_row(row.source, *cells, row.worker)
    return table
