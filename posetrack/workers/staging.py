"""Staging: a worker writes on its own disk, and moves whole results to the shared folder.

While it works, whole records are copied to a checkpoint on the shared storage, so that another worker can go
on if this one is lost. Files get their names when they are whole, the poses last.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from posetrack.errors import PoseTrackError
from posetrack.outputs import name_part
from posetrack.results.files import cannot_write
from posetrack.workers.task import DrawTask, Note, Outcome, Progress, Task, Tell, VideoTask
from posetrack.workers.work import VideoWorker

CHECKPOINT_NAME = ".checkpoint"
"""Folder of what workers have written so far, below that of the results; removed when these are whole."""


def do_staged(worker: VideoWorker, task: Task, tell: Tell) -> Outcome:
    """Do a task on this machine's disk, and move its results where they belong.

    Args:
        worker: The worker.
        task: The task, whose outputs lie on shared storage.
        tell: Told the progress.

    Raises:
        MemoryError: As `VideoWorker.do`.
        KeyboardInterrupt: Likewise; the checkpoint is up to date.
    """
    try:
        if isinstance(task, DrawTask):
            return _draw(worker, task, tell)
        if task.output.finished_frames is not None:
            return worker.do(task, tell)
        return _run(worker, task, tell)
    except OSError as error:
        folder = task.out.parent if isinstance(task, DrawTask) else task.output.folder
        return Outcome(task.number, worker.name, error=str(cannot_write(folder, error)))
    except PoseTrackError as error:
        return Outcome(task.number, worker.name, error=str(error))


def _draw(worker: VideoWorker, task: DrawTask, tell: Tell) -> Outcome:
    with TemporaryDirectory(prefix="posetrack-") as scratch:
        staged = replace(task, out=Path(scratch) / task.out.name)
        outcome = worker.do(task if task.out.exists() else staged, tell)
        if not outcome.error and staged.out.exists():
            move_whole(staged.out, task.out)
        return outcome


def _run(worker: VideoWorker, task: VideoTask, tell: Tell) -> Outcome:
    final = task.output.folder
    with TemporaryDirectory(prefix="posetrack-") as scratch:
        stage = Path(scratch) / final.name
        stage.mkdir()
        begun = _find_longest([final / "poses.jsonl", *sorted((final / CHECKPOINT_NAME).glob("*.jsonl"))])
        if task.output.existing == "overwrite":
            begun = _find_longest(sorted((final / CHECKPOINT_NAME).glob("*.jsonl")))
        if begun is not None:
            shutil.copyfile(begun, stage / "poses.jsonl")
        output = replace(task.output, folder=stage, existing="resume", finished_frames=None)
        sheet = None if task.sheet is None else stage / task.sheet.name
        notes = None if task.notes is None else stage / task.notes.name
        staged = replace(task, output=output, sheet=sheet, notes=notes)
        checkpoint = Checkpoint(stage / "poses.jsonl", final / CHECKPOINT_NAME)

        def tell_and_save(message: Progress | Note) -> None:
            checkpoint.save()
            tell(message)

        try:
            outcome = worker.do(staged, tell_and_save)
        except BaseException:
            with suppress(OSError):
                checkpoint.save()
            raise
        if outcome.report is None:
            checkpoint.save()
            return replace(outcome, error=outcome.error.replace(str(stage), str(final)))
        for path in sorted(stage.iterdir(), key=lambda path: path.name == "poses.jsonl"):
            move_whole(path, final / path.name)
        shutil.rmtree(final / CHECKPOINT_NAME, ignore_errors=True)
        files = tuple(final / path.relative_to(stage) for path in outcome.report.files)
        return replace(outcome, report=replace(outcome.report, files=files))


def _find_longest(paths: list[Path]) -> Path | None:
    there = [path for path in paths if path.is_file() and path.stat().st_size]
    return max(there, key=lambda path: path.stat().st_size, default=None)


class Checkpoint:
    """A copy of the whole records of a growing file, on shared storage.

    Each worker has a file of its own, so that one that was taken for lost and still works disturbs no other.

    Args:
        path: The file that grows.
        folder: The folder of copies, which is created with the first record.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._copy = path, folder / f"{uuid.uuid4().hex}.jsonl"
        self._size = 0

    def save(self) -> None:
        """Copy the records that have come since the last time.

        Raises:
            OSError: They cannot be copied.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._size)
                new = file.read()
        except FileNotFoundError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        if not whole:
            return
        self._copy.parent.mkdir(parents=True, exist_ok=True)
        with self._copy.open("ab") as copy:
            copy.write(whole)
        self._size += len(whole)


def move_whole(path: Path, target: Path) -> None:
    """Move a file or folder to another disk; it has its name there when it is whole.

    Args:
        path: The file or folder.
        target: Its new path; what is there is replaced.

    Raises:
        OSError: It cannot be moved.
    """
    part = name_part(target, f".{uuid.uuid4().hex[:8]}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _removed_on_failure(part):
        if path.is_dir():
            shutil.copytree(path, part)
            if target.is_dir():
                shutil.rmtree(target)
        else:
            shutil.copyfile(path, part)
        os.replace(part, target)


@contextmanager
def _removed_on_failure(part: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
        raise
