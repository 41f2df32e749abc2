"""Soak test of live mode: an accelerated hour of looped video through a live session, with a check for leaks.

    python scripts/soak_live.py [CLIP] [--frames N] [--recipe NAME] [--fps N]

The length is in output frames; 90,000 are an hour at 25 frames/s. Without `--recipe` a fake detector replaces
the networks, which take most of the time but keep no memory between frames: people who walk through the image,
appear and disappear, so that thousands of ids are used. Everything else is that of `posetrack live`: capture
from a file played as a camera (whose connection is lost and restored 10 times), tracker with optical flow,
smoother, drawing, JSON lines (discarded), recording (on and off), changes of the recipe. It takes 10 minutes.

Memory is measured after 10 %, 50 % and all of the frames, with the state that is kept of people: poses in the
tracker's queue, tracks in the smoother, trails in the renderer, images in the meter. The exit code is 1 if
memory grows by more than 32 MiB after the first 10 %, state of former people is kept, or a thread remains.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import io
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any
from unittest import mock
from weakref import WeakValueDictionary

import numpy as np
import torch

from posetrack.build import Pipeline, build_pipeline
from posetrack.compute import Compute, choose_device
from posetrack.frame import ImageArray, Instances
from posetrack.live.controls import LiveControls, LiveSettings
from posetrack.live.json_lines import JsonLines
from posetrack.live.recorder import Recorder
from posetrack.live.session import LiveFrame, LiveSession
from posetrack.live.stats import LiveMeter
from posetrack.pipeline import Stage
from posetrack.processors.detect import detect
from posetrack.processors.smooth import SmootherConfig, _State, smooth
from posetrack.processors.track import track
from posetrack.recipe import read_recipe, without_delay
from posetrack.render import Renderer, RenderStyle
from posetrack.skeleton import COCO_17
from posetrack.video.capture import capture_file
from posetrack.video.live import LiveSource
from trackers.flow_tracker import FlowTrackerConfig
from trackers.tracks import PoseQueue

BUNDLED = Path(__file__).parents[1] / "docs" / "media" / "street.mp4"
AN_HOUR_FRAMES = 90_000
MOST_GROWTH_MIB = 32.0
MOST_KEPT = 1000
NUM_LOSSES = 10
NUM_SWITCHES = 20
PEOPLE = 4
LIFE_FRAMES = 40

_log = logging.getLogger("soak_live")


@dataclass(frozen=True)
class Look:
    """Memory and state at one moment.

    Attributes:
        frames: Number of output frames so far.
        rss_mib: Memory of the process, without freed memory that the C library keeps.
        num_blocks: Number of memory blocks that Python has in use.
        kept: Number of poses in the tracker, tracks in the smoother, trails, images in the meter.
    """

    frames: int
    rss_mib: float
    num_blocks: int
    kept: dict[str, int]

    def __str__(self) -> str:
        kept = ", ".join(f"{name} {count}" for name, count in self.kept.items())
        return f"{self.frames:>7} frames: {self.rss_mib:.1f} MiB, {self.num_blocks} blocks; kept: {kept}"


@dataclass
class Report:
    """The result of a soak test.

    Attributes:
        looks: Measurements after 10 %, 50 % and all of the frames.
        num_ids: Number of ids used.
        num_reconnects: Number of reconnections of the source.
        num_images: Number of output frames.
        num_recordings: Number of recorded files.
        threads_left: Names of threads that did not exist before.
        seconds: Duration.
    """

    looks: list[Look] = field(default_factory=list)
    num_ids: int = 0
    num_reconnects: int = 0
    num_images: int = 0
    num_recordings: int = 0
    threads_left: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Passers:
    """A fake detector of people who walk through the image, each for a while."""

    def __init__(self) -> None:
        self._position = 0
        rng = np.random.default_rng(0)
        self._pose = rng.uniform(0.1, 0.9, (17, 2)).astype(np.float32)

    def __call__(self, images: Sequence[ImageArray]) -> list[Instances]:
        """Make the people of each image."""
        return [self._find(image) for image in images]

    def _find(self, image: ImageArray) -> Instances:
        self._position += 1
        height, width = image.shape[:2]
        boxes = []
        for lane in range(PEOPLE):
            life, age = divmod(self._position + 11 * lane, LIFE_FRAMES)
            size = height / 3
            left = (life * 37 + lane * 29) % 100 / 100 * (width - size) + age
            top = (lane + 0.5) / PEOPLE * (height - size)
            # All people are absent for longer than the tracker's memory.
            if age < LIFE_FRAMES * 0.6:
                boxes.append([left, top, left + size / 2, top + size])
        xyxy = np.array(boxes, np.float32).reshape(-1, 4)
        sizes = xyxy[:, None, 2:] - xyxy[:, None, :2]
        return Instances(
            boxes_xyxy=xyxy,
            box_scores=np.full(len(xyxy), 0.9),
            keypoints_xy=xyxy[:, None, :2] + sizes * self._pose,
            keypoint_scores=np.full((len(xyxy), 17), 0.9),
        )


class Watcher:
    """An output that counts frames, changes settings, and measures memory."""

    def __init__(self, controls: LiveControls, num_frames: int, report: Report, alive: Alive) -> None:
        self._controls = controls
        self._alive = alive
        self._num_frames = num_frames
        self._report = report
        self._looks = [max(1, num_frames * percent // 100) for percent in (10, 50, 100)]
        self._last_id = 0
        self.is_done = Event()

    def show(self, shown: LiveFrame) -> None:
        """Count a frame."""
        report = self._report
        if self.is_done.is_set():
            return
        report.num_images += 1
        report.num_reconnects = shown.status.num_reconnects
        ids = shown.frame.instances.track_ids
        if ids is not None and len(ids):
            report.num_ids = max(report.num_ids, int(ids.max()))
        # Before a change of the recipe, which begins with nobody.
        if report.num_images in self._looks:
            report.looks.append(take_look(report.num_images, self._alive))
            _log.info("%s", report.looks[-1])
        if report.num_images % max(1, self._num_frames // NUM_SWITCHES) == 0:
            self._controls.next_recipe()
        # A quarter of the time.
        phase = report.num_images % max(4, self._num_frames // NUM_SWITCHES)
        if phase in (1, max(4, self._num_frames // NUM_SWITCHES) // 4):
            self._controls.toggle("record")
        if report.num_images == self._num_frames:
            self.is_done.set()

    def close(self) -> None:
        """Do nothing."""


class Alive(ExitStack):
    """The objects of some classes, made since it was entered, that are still alive.

    `gc.get_objects` cannot find them beside running threads: it also takes hold of tuples that another thread
    is still filling, and there that fails with SystemError.
    """

    def __init__(self, *kinds: type) -> None:
        super().__init__()
        self._objects: WeakValueDictionary[int, Any] = WeakValueDictionary()
        for kind in kinds:
            self.enter_context(mock.patch.object(kind, "__init__", self._note(kind.__init__)))

    def __iter__(self) -> Iterator[Any]:
        return (thing for reference in self._objects.valuerefs() if (thing := reference()) is not None)

    def _note(self, initialise: Callable[..., None]) -> Callable[..., None]:
        def wrapped(thing: object, *arguments: Any, **named: Any) -> None:
            initialise(thing, *arguments, **named)
            self._objects[id(thing)] = thing

        return wrapped


def take_look(frames: int, alive: Alive) -> Look:
    """Measure memory and state."""
    gc.collect()
    kept = {"tracker": 0, "smoother": 0, "trails": 0, "meter": 0}
    for thing in alive:
        if type(thing) is PoseQueue:
            kept["tracker"] += len(thing.track_ids)
        elif type(thing) is _State:
            kept["smoother"] += 1
        elif type(thing) is Renderer:
            kept["trails"] += len(thing._trails)
        elif type(thing) is LiveMeter:
            kept["meter"] += len(thing._images)
    # Without this function of the C library, freed memory counts too.
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return Look(frames, read_rss_mib(), sys.getallocatedblocks(), kept)


def read_rss_mib() -> float:
    """Measure the memory of this process; 0 if the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def make_source(clip: Path, fps: float, num_frames: int) -> LiveSource:
    """Make a looped file that plays as a camera with occasional losses of connection."""
    every = max(1, num_frames // (NUM_LOSSES + 1))

    def connect(stop: Event) -> Iterator[ImageArray]:
        images = capture_file(str(clip), stop, loop=True, speed=fps / 25)
        for position, image in enumerate(images, 1):
            yield image
            if position >= every and source.status.num_reconnects < NUM_LOSSES:
                images.close()
                return

    source = LiveSource(connect, "soak")
    return source


def make_pipeline(recipe: str) -> Pipeline:
    """Make the pipeline of a recipe, or of the fake detector for the names `fake` and `fake-2`."""
    if not recipe.startswith("fake"):
        return build_pipeline(without_delay(read_recipe(recipe)), Compute(choose_device()), smoothed=True)
    # A memory in frames, whatever the frame rate of the test.
    config = FlowTrackerConfig(flow_longest_side_px=64, scene_cut_similarity=-1, queue_frames=10)
    processors = (
        Stage("detect", detect(Passers(), batch_frames=1)),
        Stage("track", track(config, COCO_17)),
        Stage("smooth", smooth(replace(SmootherConfig(), forget_s=0.5))),
    )
    return Pipeline(processors, COCO_17)


def soak(clip: Path, num_frames: int, *, recipe: str | None = None, fps: float = 200.0) -> Report:
    """Run a live session until a number of frames are output."""
    torch.set_num_threads(1)
    report = Report()
    before = set(threading.enumerate())
    recipes = ("fake", "fake-2") if recipe is None else (recipe,)
    controls = LiveControls(LiveSettings(recipes[0], RenderStyle(trails=True)), recipes)
    start_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as name,
        make_source(clip, fps, num_frames) as source,
        Alive(PoseQueue, _State, Renderer, LiveMeter) as alive,
    ):
        watcher = Watcher(controls, num_frames, report, alive)
        lines = JsonLines(_Nowhere(), source="soak", skeleton=COCO_17, recipe=recipes[0])
        recorder = Recorder(Path(name) / "out.mp4")
        session = LiveSession(source, make_pipeline, controls, [lines, recorder, watcher])
        stopper = threading.Thread(target=lambda: (watcher.is_done.wait(), session.stop()))
        stopper.start()
        try:
            session.run()
        finally:
            watcher.is_done.set()
            stopper.join()
        report.num_recordings = len(list(Path(name).iterdir()))
    report.seconds = time.monotonic() - start_s
    report.threads_left = [thread.name for thread in threading.enumerate() if thread not in before]
    return report


class _Nowhere(io.RawIOBase):
    """A file that discards everything."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return memoryview(data).nbytes  # type: ignore[arg-type]


def find_faults(report: Report) -> list[str]:
    """List the failures."""
    faults = []
    growth = report.looks[-1].rss_mib - report.looks[0].rss_mib
    if growth > MOST_GROWTH_MIB:
        faults.append(f"memory grew by {growth:.0f} MiB, more than {MOST_GROWTH_MIB:.0f}")
    for look in report.looks:
        kept = {name: count for name, count in look.kept.items() if name != "meter"}
        if max(kept.values()) > MOST_KEPT:
            faults.append(f"after {look.frames} frames too much is kept: {look.kept}")
    if report.threads_left:
        faults.append(f"threads left: {', '.join(report.threads_left)}")
    return faults


def main() -> int:
    """Print the result; exit code 1 if there are failures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", nargs="?", type=Path, default=BUNDLED)
    parser.add_argument("--frames", type=int, default=AN_HOUR_FRAMES, help="frames that come out")
    parser.add_argument("--recipe", help="instead of the fake detector")
    parser.add_argument("--fps", type=float, default=200.0, help="of the camera")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    _log.setLevel(logging.INFO)
    report = soak(arguments.clip, arguments.frames, recipe=arguments.recipe, fps=arguments.fps)
    print(
        f"{report.num_images} frames in {report.seconds:.0f} s, {report.num_ids} ids, "
        f"{report.num_reconnects} losses, {report.num_recordings} recordings, "
        f"{len(report.threads_left)} threads left"
    )
    faults = find_faults(report)
    for fault in faults:
        print(f"FAULT: {fault}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
