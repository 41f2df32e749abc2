"""Long videos over several workers: parts that are tracked, joined, and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from posetrack.cli.many import Batch
from posetrack.cli.many_progress import ManyProgress
from posetrack.cli.output_options import choose_folder
from posetrack.cli.run_summary import describe_losses, print_summary
from posetrack.errors import PoseTrackError
from posetrack.results.jsonl import read_jsonl
from posetrack.run.sources import open_source
from posetrack.workers.split_video import SplitReport, SplitVideo, is_of_run
from posetrack.workers.summary import SummaryRow, make_row
from posetrack.workers.task import Task, TaskRunner, TrackerSettings

MakeRunner = Callable[[TrackerSettings], TaskRunner]
"""Makes what hands tasks to workers, from the settings of their tracker."""


@dataclass
class SplitBatch(Batch):
    """Videos that are split, and what has come of them.

    Attributes:
        settings: Those of the tracker of a run in one piece.
        split_s: Length of a part.
    """

    settings: TrackerSettings = field(kw_only=True)
    split_s: float = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._failed: set[str] = set()
        self._workers: dict[str, set[str]] = {}

    def run_parts(self, make_runner: MakeRunner) -> bool:
        """Do all videos: track the parts of all, join them, draw their parts; returns whether all succeeded.

        Raises:
            KeyboardInterrupt: Ctrl-C; the files of the workers are closed.
            PoseTrackError: The networks cannot be loaded, or `summary.csv` not be written.
        """
        whole = self.settings
        selection = replace(whole.selection, max_people=None)
        settings = replace(whole, smooth=False, stitch=False, selection=selection)
        try:
            videos = list(self._open_all())
            self._do_parts(make_runner(settings), videos, SplitVideo.list_tasks, "parts")
            for video in self._remaining(videos):
                with self._failures_noted(video):
                    video.join()
            self._do_parts(make_runner(settings), videos, SplitVideo.list_drawings, "drawings")
            for video in self._remaining(videos):
                with self._failures_noted(video):
                    sheet = self.output.place_sheet(video.output.folder, is_alone=len(self.groups) == 1)
                    self._note_whole(video, video.finish(sheet))
        finally:
            self._print()
        return not any(row.error for row in self.rows)

    def _open_all(self) -> Iterator[SplitVideo]:
        taken: set[Path] = set()
        for group in self.groups:
            try:
                with open_source(group, **self.part) as video:
                    name, is_alone = video.info.name, len(self.groups) == 1
                    folder = choose_folder(self.output.out, name, is_alone=is_alone, taken=taken)
                    done = self._find_whole(video.info.source, folder)
                    if done is not None:
                        self.rows.append(done)
                        continue
                    output = self.place(folder, is_alone=is_alone)
                    yield SplitVideo(video, str(group), self.part, output, self.settings, self.split_s)
            except PoseTrackError as error:
                self._add(SummaryRow(str(group), "", error=str(error)))

    def _find_whole(self, source: str, folder: Path) -> SummaryRow | None:
        """The row of a video that was finished before, and is not to be overwritten."""
        if self.output.overwrite or not (folder / "poses.jsonl").exists():
            return None
        row = self._summary.find_finished(source, folder.name)
        header, _ = read_jsonl(folder / "poses.jsonl")
        return row if is_of_run(header, self.settings, self.part) else None

    def _do_parts(
        self,
        runner: TaskRunner,
        videos: list[SplitVideo],
        list_tasks: Callable[[SplitVideo, int], Sequence[Task]],
        what: str,
    ) -> None:
        """Do the tasks of all videos; one that fails is noted once."""
        owners: list[SplitVideo] = []
        tasks: list[Task] = []
        for video in self._remaining(videos):
            with self._failures_noted(video):
                own = list_tasks(video, len(tasks))
                tasks += own
                owners += [video] * len(own)
        shown = ManyProgress(self._console, len(tasks), is_quiet=self.output.quiet, what=what)
        for task in tasks:
            shown.add(task)
        for outcome in self._do(runner, tasks, shown) if tasks else ():
            video = owners[outcome.number]
            self._workers.setdefault(video.name, set()).add(outcome.worker)
            if outcome.error and video.name not in self._failed:
                self._fail(video, outcome.error)

    def _remaining(self, videos: list[SplitVideo]) -> list[SplitVideo]:
        return [video for video in videos if video.name not in self._failed]

    @contextmanager
    def _failures_noted(self, video: SplitVideo) -> Iterator[None]:
        try:
            yield
        except PoseTrackError as error:
            self._fail(video, str(error))

    def _fail(self, video: SplitVideo, error: str) -> None:
        self._failed.add(video.name)
        self._add(
            SummaryRow(video.name, video.output.folder.name, worker=self._list_workers(video), error=error)
        )

    def _note_whole(self, video: SplitVideo, report: SplitReport) -> None:
        run = report.run
        lost = self.output.strict and not run.is_source_whole
        error = f"{describe_losses(run)} (--strict)" if lost else ""
        self._add(make_row(video.name, video.output.folder.name, run, self._list_workers(video), error))
        if not self.output.quiet:
            print_summary(self._console, run)
            self._console.print(
                f"  {report.num_parts} parts; {report.num_carried} ids carried over their borders, "
                f"{report.num_lost} not, which were followed from before the overlap",
                soft_wrap=True,
            )

    def _list_workers(self, video: SplitVideo) -> str:
        return " ".join(sorted(self._workers.get(video.name, ())))
