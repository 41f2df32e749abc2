"""Measure a whole run: its rate, where the time goes, latency, memory, and the bare networks beside it."""

from __future__ import annotations

import resource
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.engines.engine import Engine
from posetrack.build import Pipeline, build_pipeline
from posetrack.compute import Compute
from posetrack.frame import Frame
from posetrack.pipeline import FrameProcessor, FrameSink, run, run_ahead
from posetrack.recipe import Recipe
from posetrack.render import Renderer
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.video.source import VideoSource, open_video
from posetrack.video.writer import VideoWriter

NETWORKS = "networks"
"""The stage of the engines' calls, wherever they are made from."""

_WAIT = "wait"


@dataclass(frozen=True)
class BenchReport:
    """What was measured.

    Attributes:
        num_frames: Frames of the clip that were run.
        people_per_frame: On average.
        warm_up_s: Building the pipeline and the first frames, which are not counted below.
        fps: Frames a second from end to end: decoding, networks, tracking, drawing, encoding, writing.
        networks_fps: Frames a second of the bare networks on the same inputs, in the same process.
        ratio: The middle of the runs' `fps` over `networks_fps`.
        stage_fractions: Fraction of the run's time that each stage was busy, on any thread; together they are
            more than 1 where stages work side by side.
        latency_p50_ms: From a frame's decoding to the end of its writing; half of the frames take no longer.
        latency_p95_ms: The like for 95 in 100.
        peak_memory_mib: Of the process, until now.
        engine: Who computed, and in which precision.
    """

    num_frames: int
    people_per_frame: float
    warm_up_s: float
    fps: float
    networks_fps: float
    ratio: float
    stage_fractions: dict[str, float]
    latency_p50_ms: float
    latency_p95_ms: float
    peak_memory_mib: float
    engine: str


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

    def wrap(self, process: FrameProcessor) -> FrameProcessor:
        """A processor that is timed; its own input is not its time."""
        # This one does nothing but wait.
        name = _WAIT if process is run_ahead else process.__module__.rpartition(".")[2]

        def timed(frames: Iterator[Frame]) -> Iterator[Frame]:
            return self.iterate(process(frames), name)

        return timed


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
) -> BenchReport:
    """Run a recipe over a clip as `posetrack run` does, several times, and the bare networks in between.

    The networks' inputs are recorded in a first run that is not timed; they take turns with the whole run,
    since machines are noisy.

    Args:
        clip: What `open_video` opens.
        recipe: What to run.
        compute: What the networks run on.
        folder: To write results into.
        max_frames: Frames of the clip to run at most.
        repeats: How often.
        warm_up_frames: Frames of the warm-up.

    Returns:
        What was measured.

    Raises:
        PoseTrackError: The clip cannot be read, or the recipe cannot be built.
    """
    clock = StageClock()
    observer = _Observer(clock)
    observed = replace(compute, observe=observer.observe)
    start_s = time.perf_counter()
    pipeline = build_pipeline(recipe, observed)
    _run_once(clip, pipeline, recipe, folder, StageClock(), warm_up_frames)
    warm_up_s = time.perf_counter() - start_s
    calls: list[tuple[Engine, Tensor]] = []
    observer.calls = calls
    _run_once(clip, pipeline, recipe, folder, StageClock(), max_frames)
    observer.calls = None
    clock.busy_s.clear()
    runs = []
    bare_s = []
    for _ in range(repeats):
        runs.append(_run_once(clip, pipeline, recipe, folder, clock, max_frames))
        bare_s.append(_measure(partial(_run_networks, calls)))
    whole_s = sum(one.seconds for one in runs)
    latencies_s = np.concatenate([one.latencies_s for one in runs])
    p50, p95 = np.percentile(latencies_s, (50, 95))
    num_frames = runs[0].num_frames
    return BenchReport(
        num_frames=num_frames,
        people_per_frame=runs[0].num_people / num_frames,
        warm_up_s=warm_up_s,
        fps=num_frames / statistics.median(one.seconds for one in runs),
        networks_fps=num_frames / statistics.median(bare_s),
        ratio=statistics.median(bare / one.seconds for bare, one in zip(bare_s, runs, strict=True)),
        stage_fractions={name: busy / whole_s for name, busy in clock.busy_s.items() if name != _WAIT},
        latency_p50_ms=1000 * float(p50),
        latency_p95_ms=1000 * float(p95),
        peak_memory_mib=read_peak_memory_mib(),
        engine=f"{compute.engine} {compute.precision} on {compute.device}",
    )


def read_peak_memory_mib() -> float:
    """The most memory that this process ever had, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, KiB elsewhere.
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


@dataclass(frozen=True, eq=False)
class _Run:
    num_frames: int
    num_people: int
    seconds: float
    latencies_s: npt.NDArray[np.float64]


def _run_once(
    clip: Path, pipeline: Pipeline, recipe: Recipe, folder: Path, clock: StageClock, max_frames: int
) -> _Run:
    """Do what `posetrack run` does."""
    decoded_s: dict[int, float] = {}
    latencies_s: list[float] = []
    num_people = 0

    def decode(video: VideoSource) -> Iterator[Frame]:
        for frame in clock.iterate(islice(video, max_frames), "decode"):
            decoded_s[frame.index] = time.perf_counter()
            yield frame

    def count(frame: Frame) -> None:
        nonlocal num_people
        num_people += len(frame.instances)
        latencies_s.append(time.perf_counter() - decoded_s.pop(frame.index))

    start_s = time.perf_counter()
    with ExitStack() as stack:
        video = stack.enter_context(open_video(clip))
        sinks = _make_sinks(stack, video, pipeline, recipe, folder, clock)
        run(decode(video), [clock.wrap(process) for process in pipeline.processors], [*sinks, count])
    seconds = time.perf_counter() - start_s
    return _Run(len(latencies_s), num_people, seconds, np.array(latencies_s))


def _make_sinks(
    stack: ExitStack, video: VideoSource, pipeline: Pipeline, recipe: Recipe, folder: Path, clock: StageClock
) -> list[FrameSink]:
    info = video.info
    header = Header(info.source, info.width, info.height, info.fps, pipeline.skeleton, recipe.name)
    poses = stack.enter_context(JsonlWriter(folder / "poses.jsonl", header))
    audio = info.source if info.has_audio else None
    writer = stack.enter_context(VideoWriter(folder / "overlay.mp4", info, audio_from=audio))
    render = Renderer(pipeline.skeleton)

    def write_poses(frame: Frame) -> None:
        with clock.stage("write"):
            poses.write(frame.index, frame.time_s, frame.instances)

    def write_overlay(frame: Frame) -> None:
        with clock.stage("draw"):
            image = render(frame)
        with clock.stage("encode"):
            writer.write(image, frame.time_s)

    return [write_poses, write_overlay]


def _run_networks(calls: list[tuple[Engine, Tensor]]) -> None:
    with torch.inference_mode():
        for engine, images in calls:
            engine(images)
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _measure(task: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    task()
    return time.perf_counter() - start_s
