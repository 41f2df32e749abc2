"""Benchmark of a whole run: frame rate, time of each stage, latency, memory, and the networks alone."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.engines.engine import Engine
from posetrack.bench_report import BenchReport, Spent, average, count_others_ms, list_stages
from posetrack.build import Pipeline, build_pipeline
from posetrack.compute import Compute
from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.machine import describe_machine, read_load
from posetrack.recipe import Recipe
from posetrack.run.job import Output, run_job
from posetrack.run.report import RunReport
from posetrack.run.stitch import make_stitcher
from posetrack.stage_clock import StageClock
from posetrack.video.source import VideoSource, may_be_silent, open_video

NETWORKS = "networks"
"""The stage of the engines' calls, wherever they are made from."""


@dataclass
class _Observer:
    """Times every engine, and remembers its inputs while `calls` is a list."""

    clock: StageClock
    calls: list[tuple[Engine, Tensor]] | None = None

    def observe(self, engine: Engine) -> Engine:
        return _ObservedEngine(engine, self)


class _ObservedEngine:
    def __init__(self, engine: Engine, observer: _Observer) -> None:
        self.device = engine.device
        self._engine = engine
        self._observer = observer

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        if self._observer.calls is not None:
            self._observer.calls.append((self._engine, images.clone()))
        with self._observer.clock.stage(NETWORKS):
            return self._engine(images)


def benchmark(
    clip: Path,
    recipe: Recipe,
    compute: Compute,
    folder: Path,
    *,
    max_frames: int = 300,
    repeats: int = 3,
    warm_up_frames: int = 20,
    timeout_s: float | None = None,
) -> BenchReport:
    """Run a recipe over a clip as `posetrack run` does, several times, and the bare networks in between.

    The networks' inputs are recorded in a first run that is not timed; they take turns with the whole run,
    since machines are noisy.

    Args:
        clip: What `open_video` opens, more than once: no pipe.
        recipe: What to run.
        compute: What the networks run on.
        folder: To write results into.
        max_frames: Frames of the clip to run at most.
        repeats: How often.
        warm_up_frames: Frames of the warm-up.
        timeout_s: Longest time without data of the clip; None for any.

    Returns:
        What was measured.

    Raises:
        PoseTrackError: The clip cannot be read, or the recipe cannot be built.
    """
    if may_be_silent(clip):
        raise VideoError(f"{clip}: a benchmark reads its clip several times; give a file or a folder of images")
    clock, load = StageClock(), read_load()
    observer = _Observer(clock)
    start_s = time.perf_counter()
    pipeline = build_pipeline(recipe, replace(compute, observe=observer.observe))
    bench = _Bench(partial(open_video, clip, timeout_s=timeout_s), pipeline, recipe, folder)
    bench.run(StageClock(), warm_up_frames)
    warm_up_s = time.perf_counter() - start_s
    clock.clear()
    runs = [bench.run(clock, max_frames)]
    # Before the networks' inputs are kept, which takes more memory than a run does.
    peak_memory_mib = read_peak_memory_mib()
    observer.calls = []
    bench.run(StageClock(), max_frames)
    calls, observer.calls = observer.calls, None
    bare = [_measure(partial(_run_networks, calls))]
    for _ in range(1, repeats):
        runs.append(bench.run(clock, max_frames))
        bare.append(_measure(partial(_run_networks, calls)))
    about = _About(warm_up_s, peak_memory_mib, describe_compute(compute), load)
    return _summarize(runs, bare, clock, about)


@dataclass(frozen=True)
class _About:
    """What is measured once."""

    warm_up_s: float
    peak_memory_mib: float
    engine: str
    load: float


def _summarize(runs: Sequence[_Run], bare: Sequence[Spent], clock: StageClock, about: _About) -> BenchReport:
    p50, p95 = np.percentile(np.concatenate([one.latencies_s for one in runs]), (50, 95))
    report = runs[0].report
    num_frames = max(1, report.num_frames)
    whole = average([one.spent for one in runs], num_frames)
    stages = list_stages(clock, num_frames * len(runs))
    return BenchReport(
        num_frames=report.num_frames,
        people_per_frame=report.people_per_frame,
        warm_up_s=about.warm_up_s,
        fps=report.num_frames / statistics.median(one.spent.wall_s for one in runs),
        networks_fps=report.num_frames / statistics.median(one.wall_s for one in bare),
        ratio=_compare(bare, runs, lambda spent: spent.wall_s),
        cpu_ratio=_compare(bare, runs, lambda spent: spent.cpu_s),
        whole=whole,
        networks=average(bare, num_frames),
        stages=stages,
        other_threads_cpu_ms=count_others_ms(whole, stages),
        latency_p50_ms=1000 * float(p50),
        latency_p95_ms=1000 * float(p95),
        peak_memory_mib=about.peak_memory_mib,
        engine=about.engine,
        machine=describe_machine(),
        load=about.load,
    )


def _compare(bare: Sequence[Spent], runs: Sequence[_Run], read: Callable[[Spent], float]) -> float:
    """The middle of the ratios of bare networks and whole runs."""
    return statistics.median(read(one) / read(run.spent) for one, run in zip(bare, runs, strict=True))


def describe_compute(compute: Compute) -> str:
    """Engine, precision and device, in words."""
    return f"{compute.engine} {compute.precision} on {compute.device}"


def read_peak_memory_mib() -> float:
    """The most memory that this process ever had, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, KiB elsewhere.
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class _TimedVideo(VideoSource):
    """The first frames of a clip, with the times at which each was decoded and finished.

    Attributes:
        latencies_s: From each frame's decoding to the end of its writing.
    """

    def __init__(self, open_clip: Callable[[], VideoSource], max_frames: int, clock: StageClock) -> None:
        super().__init__()
        self._open_clip = open_clip
        self._video = open_clip()
        self._max_frames = max_frames
        self._clock = clock
        self._decoded_s: dict[int, float] = {}
        self.latencies_s: list[float] = []
        self.info = self._video.info
        self.audio_address = self._video.audio_address

    def finish(self, frame: Frame) -> None:
        """The last sink."""
        self.latencies_s.append(time.perf_counter() - self._decoded_s.pop(frame.index))

    def _read_frames(self) -> Iterator[Frame]:
        for frame in self._clock.iterate(islice(self._video, self._max_frames), "decode"):
            self._decoded_s[frame.index] = time.perf_counter()
            yield frame

    def _open_again(self) -> VideoSource:
        return self._open_clip()

    def _release(self) -> None:
        self._video.close()


@dataclass(frozen=True)
class _Bench:
    """A run that can be repeated.

    Attributes:
        open_clip: Opens the clip.
        pipeline: Ready to run.
        recipe: The recipe that it was built from.
        folder: To write results into.
    """

    open_clip: Callable[[], VideoSource]
    pipeline: Pipeline
    recipe: Recipe
    folder: Path

    def run(self, clock: StageClock, max_frames: int) -> _Run:
        """Do what `posetrack run` does, by the clock."""
        timed = replace(self.pipeline, processors=tuple(map(clock.wrap, self.pipeline.processors)))
        output = Output(self.folder, existing="overwrite")
        start = Spent.read()
        with _TimedVideo(self.open_clip, max_frames, clock) as video:
            report = run_job(
                video,
                timed,
                self.recipe.name,
                output,
                sinks=[video.finish],
                time_stage=clock.stage,
                stitcher=make_stitcher(self.recipe, self.pipeline.skeleton, smoothed=False),
            )
        return _Run(report, Spent.read().since(start), tuple(video.latencies_s))


@dataclass(frozen=True)
class _Run:
    report: RunReport
    spent: Spent
    latencies_s: tuple[float, ...]


def _run_networks(calls: list[tuple[Engine, Tensor]]) -> None:
    with torch.inference_mode():
        for engine, images in calls:
            engine(images)
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _measure(task: Callable[[], object]) -> Spent:
    start = Spent.read()
    task()
    return Spent.read().since(start)
