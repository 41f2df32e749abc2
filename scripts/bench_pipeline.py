"""How much the pipeline costs beside its networks, and whether memory grows with the video.

    python scripts/bench_pipeline.py [CLIP] [--recipe NAME]... [--engine NAME] [--repeats N]

Ratio: end-to-end frames a second (decoding, networks, tracking, drawing, encoding, writing) over the frames a
second of the bare networks on the same inputs, which are recorded during a run and played again through the
networks alone. The two take turns, and the middle of their ratios counts: machines are noisy. At least 0.8.

Memory: the peak of a run over the clip ten times over, against a run over the clip once, each in a process of
its own. At most 1.1.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import av
import torch
from torch import Tensor

from models.engines.engine import Engine
from models.engines.make import ENGINES, make_engine
from posetrack.build import Pipeline, build_pipeline, choose_device
from posetrack.pipeline import run
from posetrack.predictors import movenet
from posetrack.recipe import list_recipes, read_recipe
from posetrack.render import Renderer
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.video.source import open_video
from posetrack.video.writer import VideoWriter

ROOT = Path(__file__).parents[1]
BUNDLED = ROOT / "docs" / "media" / "street.mp4"
LEAST_RATIO = 0.8
MOST_GROWTH = 1.1


def run_end_to_end(clip: Path, pipeline: Pipeline, recipe: str, folder: Path) -> tuple[int, float]:
    """Do what `posetrack run` does; returns frames and people a frame."""
    with open_video(clip) as video:
        info = video.info
        header = Header(info.source, info.width, info.height, info.fps, pipeline.skeleton, recipe)
        render = Renderer(pipeline.skeleton)
        counts: list[int] = []
        audio = info.source if info.has_audio else None
        with (
            JsonlWriter(folder / "poses.jsonl", header) as poses,
            VideoWriter(folder / "overlay.mp4", info, audio_from=audio) as writer,
        ):
            run(
                video,
                pipeline.processors,
                [
                    lambda frame: poses.write(frame.index, frame.time_s, frame.instances),
                    lambda frame: writer.write(render(frame), frame.time_s),
                    lambda frame: counts.append(len(frame.instances)),
                ],
            )
    return len(counts), sum(counts) / max(len(counts), 1)


class Recorder:
    """An engine that remembers what it was called with, while there is a list to write it to."""

    calls: ClassVar[list[tuple[Engine, Tensor]] | None] = None

    def __init__(self, engine: Engine) -> None:
        self.device = engine.device
        self._engine = engine

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network."""
        if Recorder.calls is not None:
            Recorder.calls.append((self._engine, images.clone()))
        return self._engine(images)


def record_inputs(task: Callable[[], object]) -> list[tuple[Engine, Tensor]]:
    """Every call of a network during a task: which network, and its input."""
    Recorder.calls = []
    try:
        task()
        return Recorder.calls
    finally:
        Recorder.calls = None


def run_networks(calls: list[tuple[Engine, Tensor]]) -> None:
    """The bare networks on recorded inputs."""
    for network, images in calls:
        network(images)
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure_s(task: Callable[[], object]) -> float:
    """Seconds that a task takes."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def bench_ratio(clip: Path, recipe: str, engine: str, repeats: int) -> float:
    """Print and return end-to-end over bare-network frames a second."""
    with patch.object(movenet, "make_engine", lambda *args, **kwargs: Recorder(make_engine(*args, **kwargs))):
        pipeline = build_pipeline(read_recipe(recipe), choose_device(), engine=engine)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: list[tuple[int, float]] = []
        calls = record_inputs(lambda: found.append(run_end_to_end(clip, pipeline, recipe, folder)))
        frames, people = found[0]
        whole, bare = [], []
        for _ in range(repeats):
            whole.append(measure_s(lambda: run_end_to_end(clip, pipeline, recipe, folder)))
            bare.append(measure_s(lambda: run_networks(calls)))
    ratio = statistics.median(b / w for b, w in zip(bare, whole, strict=True))
    print(
        f"{clip.name}, recipe {recipe}, engine {engine}: {frames} frames, {people:.1f} people a frame; "
        f"end to end {frames / statistics.median(whole):.1f} frames/s, bare networks "
        f"{frames / statistics.median(bare):.1f} frames/s; ratio {ratio:.2f} (at least {LEAST_RATIO})"
    )
    return ratio


def loop_video(clip: Path, times: int, out: Path) -> None:
    """Write a video that plays a clip several times over, without encoding it again."""
    with av.open(str(out), "w") as target:
        stream = None
        for i in range(times):
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(video)
                length = (video.duration or 0) + (video.start_time or 0)
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += i * length
                    packet.dts += i * length
                    packet.stream = stream
                    target.mux(packet)


def bench_memory(clip: Path, recipe: str, engine: str) -> float:
    """Print and return the peak memory of ten times the clip over that of the clip once."""
    with tempfile.TemporaryDirectory() as name:
        peaks = []
        for times in (1, 10):
            video = Path(name) / f"loop{times}.mp4"
            loop_video(clip, times, video)
            options = ["--recipe", recipe, "--engine", engine, "--only-peak"]
            command = [sys.executable, __file__, str(video), *options]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks.append(int(done.stdout))
    growth = peaks[1] / peaks[0]
    print(
        f"{clip.name}, recipe {recipe}: peak memory {peaks[0] // 1024} MiB once, {peaks[1] // 1024} MiB ten "
        f"times over; ratio {growth:.2f} (at most {MOST_GROWTH})"
    )
    return growth


def main() -> int:
    """Print every figure; exit code 1 where one misses its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, default=BUNDLED)
    parser.add_argument("--recipe", action="append", choices=list(list_recipes()))
    parser.add_argument("--engine", default="auto", choices=["auto", *ENGINES])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only-peak", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    recipes = arguments.recipe or list(list_recipes())
    if arguments.only_peak:
        pipeline = build_pipeline(read_recipe(recipes[0]), choose_device(), engine=arguments.engine)
        with tempfile.TemporaryDirectory() as name:
            run_end_to_end(arguments.clip, pipeline, recipes[0], Path(name))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return 0
    ratios = [bench_ratio(arguments.clip, recipe, arguments.engine, arguments.repeats) for recipe in recipes]
    growths = [bench_memory(arguments.clip, recipe, arguments.engine) for recipe in recipes[:1]]
    return int(min(ratios) < LEAST_RATIO or max(growths) > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
