"""What a benchmark reports, and how it is averaged over frames and runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from posetrack.pipeline import RUN_AHEAD
from posetrack.stage_clock import StageClock


@dataclass(frozen=True)
class Cost:
    """Milliseconds a frame.

    Attributes:
        wall_ms: By the clock, waiting for a core included.
        cpu_ms: On cores.
    """

    wall_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class StageCost(Cost):
    """Milliseconds a frame of one stage.

    Attributes:
        threads: Numbers of the threads that it runs on, from 1; stages with the same number take turns.
    """

    threads: tuple[int, ...]


@dataclass(frozen=True)
class BenchReport:
    """The result of a benchmark.

    Attributes:
        num_frames: Frames of the clip that were run.
        people_per_frame: On average.
        warm_up_s: Building the pipeline and the first frames, which are not counted below.
        fps: Frames a second from end to end: decoding, networks, tracking, drawing, encoding, writing.
        networks_fps: Frames a second of the bare networks on the same inputs, in the same process.
        ratio: The middle of the runs' `fps` over `networks_fps`.
        cpu_ratio: The like of CPU time, which other work on the machine hardly changes.
        whole: Cost of a frame from end to end; its CPU time is that of all threads.
        networks: Cost of a frame of the bare networks, likewise.
        stages: Cost of a frame by stage; the CPU times are of the threads that are in the stage. Together the
            stages take more wall time than the whole, since they work side by side.
        other_threads_cpu_ms: CPU time of a frame in other threads: those of engines, codecs and OpenCV.
        latency_p50_ms: From a frame's decoding to the end of its writing; half of the frames take no longer.
        latency_p95_ms: The like for 95 in 100.
        peak_memory_mib: Of the process, until the end of the first run.
        engine: Who computed, and in which precision.
        machine: Name of the processor, and its cores.
        load: Threads of all processes that ran or waited for a core before.
    """

    num_frames: int
    people_per_frame: float
    warm_up_s: float
    fps: float
    networks_fps: float
    ratio: float
    cpu_ratio: float
    whole: Cost
    networks: Cost
    stages: dict[str, StageCost]
    other_threads_cpu_ms: float
    latency_p50_ms: float
    latency_p95_ms: float
    peak_memory_mib: float
    engine: str
    machine: str
    load: float


@dataclass(frozen=True)
class LiveReport:
    """The result of a live benchmark.

    Attributes:
        seconds: For how long it was measured.
        source_fps: Images a second that the source delivered.
        fps: Images a second that were shown.
        dropped_fraction: Fraction of the delivered images that were left out, since a newer one was there.
        people_per_frame: On average.
        latency_p50_ms: From the capture of an image until it is drawn and handed to the outputs; half of the
            images take no longer.
        latency_p95_ms: The like for 95 in 100.
        whole: Cost of a shown image; its CPU time is that of all threads, the capture of all images among them.
        stages: Cost of a shown image by stage, without the waiting for images.
        peak_memory_mib: Of the process.
        engine: Who computed, and in which precision.
        machine: Name of the processor, and its cores.
        load: Threads of all processes that ran or waited for a core before.
    """

    seconds: float
    source_fps: float
    fps: float
    dropped_fraction: float
    people_per_frame: float
    latency_p50_ms: float
    latency_p95_ms: float
    whole: Cost
    stages: dict[str, StageCost]
    peak_memory_mib: float
    engine: str
    machine: str
    load: float


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of CPU time of the whole process."""

    wall_s: float
    cpu_s: float

    @staticmethod
    def read() -> Spent:
        """Read the clocks; only differences mean something."""
        return Spent(time.perf_counter(), time.process_time())

    def since(self, start: Spent) -> Spent:
        """What was spent since an earlier reading."""
        return Spent(self.wall_s - start.wall_s, self.cpu_s - start.cpu_s)


def average(spent: Sequence[Spent], num_frames: int) -> Cost:
    """The mean cost of a frame of some runs, each of so many frames."""
    wall_s = statistics.fmean(one.wall_s for one in spent)
    cpu_s = statistics.fmean(one.cpu_s for one in spent)
    return Cost(1000 * wall_s / num_frames, 1000 * cpu_s / num_frames)


def count_others_ms(whole: Cost, stages: Mapping[str, StageCost]) -> float:
    """CPU time of a frame in other threads than those of the stages."""
    return whole.cpu_ms - sum(stage.cpu_ms for stage in stages.values())


def list_stages(clock: StageClock, num_frames: int) -> dict[str, StageCost]:
    """The cost of each stage, the most expensive first."""
    # Every run has threads of its own; those that do the same have the same number.
    roles = list(dict.fromkeys(map(frozenset, clock.stages_of_threads.values())))
    return {
        name: StageCost(
            1000 * busy_s / num_frames,
            1000 * clock.cpu_s[name] / num_frames,
            tuple(number for number, role in enumerate(roles, start=1) if name in role),
        )
        for name, busy_s in sorted(clock.busy_s.items(), key=lambda entry: -entry[1])
        # The stage that runs ahead does nothing but wait.
        if name != RUN_AHEAD.name
    }
