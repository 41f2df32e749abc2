"""The work of one worker: tasks one after the other, with networks that are loaded once."""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import replace
from pathlib import Path

from models.extras import MissingPackageError
from models.out_of_memory import is_out_of_memory
from posetrack.errors import PoseTrackError
from posetrack.frame import Frame
from posetrack.run.report import RunReport
from posetrack.run.run_sheet import check_sheet, write_run_sheet
from posetrack.run.sources import open_source
from posetrack.run.tracker import Tracker
from posetrack.video.base import VideoSource
from posetrack.workers.draw import draw_part
from posetrack.workers.notes import NoteTaker
from posetrack.workers.task import Note, Outcome, Progress, Task, Tell, TrackerSettings, VideoTask

_TELL_EVERY_S = 0.5


class VideoWorker:
    """Does tasks in this process.

    Args:
        settings: Those of the tracker, which is loaded with the first task.
        name: Name of the worker in progress and summary.
        rank: Its number on this machine, from 0; of several GPUs it takes one by it.
    """

    def __init__(self, settings: TrackerSettings, name: str, rank: int = 0) -> None:
        self.name = name
        self._settings, self._rank = settings, rank
        self._tracker: Tracker | None = None

    def do(self, task: Task, tell: Tell) -> Outcome:
        """Do a task.

        Args:
            task: The task.
            tell: Told the progress, on another thread.

        Raises:
            KeyboardInterrupt: The worker is to end; the files are closed.
            MemoryError: The memory is too small; another try, by a new worker, may find more.
        """
        teller = _Teller(task.number, self.name, tell)
        is_ready = False
        try:
            if isinstance(task, VideoTask):
                self._load()
            is_ready = True
            if isinstance(task, VideoTask):
                return Outcome(task.number, self.name, self._run(task, teller))
            draw_part(task, teller)
            return Outcome(task.number, self.name)
        except Exception as error:
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            # Without networks no other task can be done either.
            return Outcome(task.number, self.name, error=_explain(task, error), is_fatal=not is_ready)

    def _run(self, task: VideoTask, progress: _Teller) -> RunReport:
        tracker = self._load()
        with open_source(task.source, **task.part) as video:
            if task.sheet is not None:
                may_replace = task.output.existing != "refuse"
                check_sheet(task.sheet, video, task.output.overlay, may_replace=may_replace)
            if task.notes is not None:
                return self._run_part(tracker, video, task, progress)
            report = tracker.run_into(video, task.output, stitch=self._settings.stitch, progress=progress)
            if task.sheet is not None and write_run_sheet(
                task.output.poses, task.sheet, video, task.output.view.style
            ):
                report = replace(report, files=(*report.files, task.sheet))
        return report

    def _run_part(self, tracker: Tracker, video: VideoSource, task: VideoTask, progress: _Teller) -> RunReport:
        """Track a part of a source; its notes are written when it is finished."""
        taker = NoteTaker(tracker.skeleton, look_at_images=tracker.recipe.stitcher is not None)

        def see(frame: Frame) -> None:
            taker(frame)
            progress(frame)

        report = tracker.run_into(video, task.output, stitch=False, progress=see)
        if len(taker) and task.notes is not None:  # There are none of a part that was finished before.
            taker.write(task.notes)
        return report

    def _load(self) -> Tracker:
        if self._tracker is None:
            self._tracker = self._settings.load(_share_device(self._settings.device, self._rank))
        return self._tracker


def _explain(task: Task, error: Exception) -> str:
    """One line on why a task failed."""
    if isinstance(error, PoseTrackError | MissingPackageError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    return f"{task.name}: {type(error).__name__}: {error} ({where}); try it alone: posetrack run"


def _share_device(device: str, rank: int) -> str:
    """The device of a worker: of several GPUs its own, unless one is named."""
    import torch

    count = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    return f"cuda:{rank % count}" if count > 1 else device


class _Teller:
    """Tells the progress of a task, now and then."""

    def __init__(self, number: int, worker: str, tell: Tell) -> None:
        self._number, self._worker, self._tell = number, worker, tell
        self._frames = 0
        self._told_s = 0.0

    def __call__(self, frame: Frame) -> None:
        self._frames += 1
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            self._tell(Progress(self._number, self._frames, len(frame.instances), self._worker))


class NoteHandler(logging.Handler):
    """Passes log records on as notes.

    Args:
        tell: Told each.
        level: From this level on.
    """

    def __init__(self, tell: Tell, level: int) -> None:
        super().__init__(level)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on a record."""
        self._tell(Note(record.levelno, record.getMessage()))
