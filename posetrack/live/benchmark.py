"""Benchmark of a live session: how many images of a clip played in real time are shown, and how late."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from posetrack.bench_report import LiveReport, Spent, average, list_stages
from posetrack.benchmark import describe_compute, read_peak_memory_mib
from posetrack.build import build_pipeline
from posetrack.compute import Compute
from posetrack.errors import VideoError
from posetrack.live.controls import LiveControls, LiveSettings
from posetrack.live.pace import WAIT
from posetrack.live.session import LiveFrame, LiveOutput, LiveSession
from posetrack.machine import describe_machine, read_load
from posetrack.recipe import Recipe, without_delay
from posetrack.stage_clock import StageClock
from posetrack.video.live import LiveStatus, open_live

_WARM_UP_FRAMES = 20


def benchmark_live(clip: Path, recipe: Recipe, compute: Compute, *, seconds: float = 20.0) -> LiveReport:
    """Show a clip as `posetrack live` does, played in real time and again and again, and measure.

    The first images, for which networks are compiled, are not counted.

    Args:
        clip: A video file.
        recipe: What to run.
        compute: What the networks run on.
        seconds: For how long to measure.

    Raises:
        PoseTrackError: The clip cannot be played, or the recipe cannot be built.
    """
    if not clip.is_file():
        raise VideoError(f"{clip}: not a video file; live benchmarks play one")
    load, clock = read_load(), StageClock()
    pipeline = build_pipeline(without_delay(recipe), compute)
    outputs: list[LiveOutput] = []
    with open_live(str(clip), loop=True) as source:
        controls = LiveControls(LiveSettings(recipe.name))
        session = LiveSession(source, lambda _: pipeline, controls, outputs, clock=clock)
        measure = _Measure(clock, seconds, source.started_s, session.stop)
        outputs.append(measure)
        session.run()
    return measure.summarize(clock, describe_compute(compute), load)


class _Measure:
    """The output that takes the measures, and ends the session when it has them."""

    def __init__(self, clock: StageClock, seconds: float, started_s: float, stop: Callable[[], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._started_s = started_s
        self._stop = stop
        self._num_before = 0
        self._start: tuple[Spent, LiveStatus] | None = None
        self._end: tuple[Spent, LiveStatus] | None = None
        self._latencies_s: list[float] = []
        self._num_people = 0

    def show(self, shown: LiveFrame) -> None:
        """Count an image."""
        now, status = Spent.read(), shown.status
        if self._start is None:
            self._num_before += 1
            if self._num_before == _WARM_UP_FRAMES:
                self._start = now, status
                self._clock.clear()
            return
        if self._end is not None:
            return
        self._latencies_s.append(time.monotonic() - self._started_s - shown.frame.time_s)
        self._num_people += len(shown.frame.instances)
        if now.wall_s - self._start[0].wall_s >= self._seconds:
            self._end = now, status
            self._stop()

    def close(self) -> None:
        """Nothing is open."""

    def summarize(self, clock: StageClock, engine: str, load: float) -> LiveReport:
        """What was measured.

        Raises:
            VideoError: The clip ended before.
        """
        if self._start is None or self._end is None:
            raise VideoError("the source ended before anything was measured")
        (first, before), (last, after) = self._start, self._end
        spent, shown = last.since(first), len(self._latencies_s)
        captured = max(after.num_captured - before.num_captured, 1)
        p50, p95 = np.percentile(self._latencies_s, (50, 95))
        stages = list_stages(clock, shown)
        stages.pop(WAIT, None)
        return LiveReport(
            seconds=spent.wall_s,
            source_fps=captured / spent.wall_s,
            fps=shown / spent.wall_s,
            dropped_fraction=(after.num_dropped - before.num_dropped) / captured,
            people_per_frame=self._num_people / shown,
            latency_p50_ms=1000 * float(p50),
            latency_p95_ms=1000 * float(p95),
            whole=average([spent], shown),
            stages=stages,
            peak_memory_mib=read_peak_memory_mib(),
            engine=engine,
            machine=describe_machine(),
            load=load,
        )
