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
        self.since_s = self.since_cpu_s = 0.0
        self.thread = threading.get_native_id()


class StageClock:
    """Adds up how long each stage is busy; time inside an inner stage is the inner one's, thread by thread.

    Attributes:
        busy_s: Seconds by stage, waiting for a core included.
        cpu_s: Seconds of CPU time by stage, of the threads that are in it; those of engines and codecs are not.
        stages_of_threads: The stages that each thread has been in.
    """

    def __init__(self) -> None:
        self.busy_s: defaultdict[str, float] = defaultdict(float)
        self.cpu_s: defaultdict[str, float] = defaultdict(float)
        self.stages_of_threads: defaultdict[int, set[str]] = defaultdict(set)
        self._open_stages = _OpenStages()

    def clear(self) -> None:
        """Forget what was measured."""
        for counts in (self.busy_s, self.cpu_s, self.stages_of_threads):
            counts.clear()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside for a stage."""
        stack = self._open_stages
        self._charge(stack)
        stack.names.append(name)
        self.stages_of_threads[stack.thread].add(name)
        try:
            yield
        finally:
            self._charge(stack)
            stack.names.pop()

    def _charge(self, stack: _OpenStages) -> None:
        """Count the time since the last call for the innermost stage."""
        now_s, now_cpu_s = time.perf_counter(), time.thread_time()
        if stack.names:
            self.busy_s[stack.names[-1]] += now_s - stack.since_s
            self.cpu_s[stack.names[-1]] += now_cpu_s - stack.since_cpu_s
        stack.since_s, stack.since_cpu_s = now_s, now_cpu_s

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
