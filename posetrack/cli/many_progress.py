"""Progress of a run over many sources: a line for each that is being done, and one for all."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from posetrack.workers.task import Progress, Task

_LINE_EVERY_S = 5.0


class ManyProgress:
    """Shows what the workers do: bars on a terminal, a plain line now and then elsewhere.

    Args:
        console: The console.
        num_tasks: Number of sources, or of their parts.
        is_quiet: Whether to show nothing.
        what: What they are.
    """

    def __init__(self, console: Console, num_tasks: int, *, is_quiet: bool, what: str = "sources") -> None:
        self._console, self._num_tasks, self._what, self._is_quiet = console, num_tasks, what, is_quiet
        self._running: dict[int, Task] = {}
        self._frames: dict[int, int] = {}
        self._began_s: dict[int, float] = {}
        self._ended = 0
        self._started_s = self._shown_s = time.monotonic()
        self._bars: Bars | None = None
        self._all = TaskID(0)
        self._rows: dict[int, TaskID] = {}

    def __enter__(self) -> ManyProgress:
        if self._console.is_terminal and not self._is_quiet:
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:.1f} frames/s"),
                console=self._console,
                transient=True,
            )
            self._bars.start()
            self._all = self._bars.add_task(f"all {self._what}", total=self._num_tasks, rate=0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def add(self, task: Task) -> None:
        """Note a task that is to be done."""
        self._running[task.number] = task

    def show(self, progress: Progress) -> None:
        """Show the progress of a task."""
        task = self._running.get(progress.number)
        if task is None:
            return
        now_s = time.monotonic()
        began_s = self._began_s.setdefault(task.number, now_s)
        self._frames[task.number] = progress.frames
        if self._bars is not None:
            if task.number not in self._rows:
                row = self._bars.add_task(task.name, total=task.num_frames, rate=0.0)
                self._rows[task.number] = row
            rate = progress.frames / (now_s - began_s) if now_s - began_s > 1 else 0.0
            self._bars.update(self._rows[task.number], completed=progress.frames, rate=rate)
            self._bars.update(self._all, rate=self._find_rate(now_s))
        elif now_s - self._shown_s >= _LINE_EVERY_S and not self._is_quiet:
            self._shown_s = now_s
            self._print_lines(now_s)

    def end(self, number: int) -> None:
        """Note that a task has ended."""
        self._ended += 1
        self._running.pop(number, None)
        if self._bars is not None:
            if number in self._rows:
                self._bars.remove_task(self._rows.pop(number))
            self._bars.update(self._all, completed=self._ended, rate=self._find_rate(time.monotonic()))

    def _find_rate(self, now_s: float) -> float:
        """Frames of all tasks a second."""
        return sum(self._frames.values()) / max(now_s - self._started_s, 1e-9)

    def _print_lines(self, now_s: float) -> None:
        rate = self._find_rate(now_s)
        lines = [f"{self._ended} of {self._num_tasks} {self._what}, {rate:.1f} frames/s"]
        for number, task in self._running.items():
            if number in self._frames:
                total = f" of {task.num_frames}" if task.num_frames else ""
                lines.append(f"  {task.name}: frame {self._frames[number]}{total}")
        for line in lines:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
