"""StageClock: how long each stage of a pipeline is busy."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from posetrack.frame import Frame
from posetrack.pipeline import Stage


class _OpenStages(threading.local):
    """The stages that a thread is in, the innermost last, and since when it counts for that one."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.since_s = 0.0


class StageClock:
    """Adds up how long each stage is busy; time inside an inner stage is the inner one's, thread by thread."""

    def __init__(self) -> None:
        self.busy_s: defaultdict[str, float] = defaultdict(float)
        self._open_stages = _OpenStages()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside for a stage."""
        stack = self._open_stages
        now_s = time.perf_counter()
        if stack.names:
            self.busy_s[stack.names[-1]] += now_s - stack.since_s
        stack.names.append(name)
        stack.since_s = now_s
        try:
            yield
        finally:
            now_s = time.perf_counter()
            self.busy_s[stack.names.pop()] += now_s - stack.since_s
            stack.since_s = now_s

    def iterate(self, items: Iterable[Frame], name: str) -> Iterator[Frame]:
        """Give items on; the time they take to come is the stage's."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                item = next(iterator, None)
            if item is None:
                return
            yield item

    def wrap(self, stage: Stage) -> Stage:
        """The stage, timed; its own input is not its time."""

        def timed(frames: Iterator[Frame]) -> Iterator[Frame]:
            return self.iterate(stage(frames), stage.name)

        return Stage(stage.name, timed)
