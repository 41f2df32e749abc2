"""Progress of a run: a bar on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from posetrack.frame import Frame

_LINE_EVERY_S = 5.0
_MOST_WORKERS = 8


@contextmanager
def show_reading() -> Iterator[Callable[[float], None] | None]:
    """A bar on the terminal while a long file is read, and gone afterwards; None where there is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda done: bar.update(task, completed=done)


def count_workers() -> int:
    """How many processes read a long file: one a core, up to some number."""
    return min(os.cpu_count() or 1, _MOST_WORKERS)


class RunProgress:
    """Shows the frames of one run as they are finished.

    Args:
        console: The console.
        name: Name of the run.
        num_frames: Expected number of frames, if known.
        is_quiet: Whether to show nothing.
    """

    def __init__(self, console: Console, name: str, num_frames: int | None, *, is_quiet: bool) -> None:
        self._frames = 0
        self._console = console
        self._name = name
        self._num_frames = num_frames
        self._is_quiet = is_quiet
        self._started_s = self._shown_s = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> RunProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, frame: Frame) -> None:
        """Show one finished frame."""
        here = len(frame.instances)
        self._frames += 1
        if self._is_quiet:
            return
        now_s = time.monotonic()
        frames_per_s = self._frames / max(now_s - self._started_s, 1e-9)
        if self._console.is_terminal:
            self._open_bar().update(self._task, advance=1, rate=frames_per_s, people=here)
        elif now_s - self._shown_s >= _LINE_EVERY_S:
            self._shown_s = now_s
            total = f" of {self._num_frames}" if self._num_frames else ""
            self._console.print(
                f"{self._name}: frame {self._frames}{total}, {frames_per_s:.1f} frames/s, {here} people",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def _open_bar(self) -> Progress:
        """The bar; with the first frame only, so that a run which cannot start shows none."""
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:.1f} frames/s, {task.fields[people]} people"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=self._num_frames, rate=0.0, people=0)
        return self._bar
