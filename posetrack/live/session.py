"""LiveSession: tracks the newest frames of a live source and passes them to every output."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol

import numpy as np

from posetrack.errors import PoseTrackError
from posetrack.frame import UNTRACKED, Frame, ImageArray
from posetrack.live.controls import LiveControls, LiveSettings
from posetrack.live.pace import DRAW, WAIT, Adviser, PaceMeter
from posetrack.live.stats import LiveMeter, LiveStats
from posetrack.render import Color, Renderer
from posetrack.skeleton import Skeleton
from posetrack.stage_clock import StageClock
from posetrack.video.live import LiveSource, LiveStatus

if TYPE_CHECKING:
    from posetrack.build import Pipeline

_POLL_S = 0.1
_JOIN_S = 0.5
_THREAD_NAME = "posetrack-outputs"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A tracked and drawn frame with the numbers of the session, as outputs receive it.

    Attributes:
        frame: The tracked frame.
        drawn: The annotated image, (H, W, 3) uint8 RGB.
        settings: The settings that it was made with.
        stats: Latency and rate over the last seconds.
        status: Status of the source.
        gives_dense: Whether the recipe that it was made with gives dense poses.
        colors: RGB of each track id in it.
        gives_masks: Whether it has given masks so far.
        advice: That the session is too slow for the source, and what would help; empty if it is not.
    """

    frame: Frame
    drawn: ImageArray
    settings: LiveSettings
    stats: LiveStats
    status: LiveStatus
    gives_dense: bool = False
    colors: Mapping[int, Color] = field(default_factory=dict)
    gives_masks: bool = False
    advice: str = ""

    def describe(self) -> str:
        """Format the numbers of the session as one line."""
        parts = [
            f"{self.stats.fps:.1f} fps",
            f"latency {self.stats.latency_p50_ms:.0f} ms (p95 {self.stats.latency_p95_ms:.0f})",
            f"{len(self.frame.instances)} people",
            f"{self.status.num_dropped} of {self.status.num_captured} dropped",
            f"recipe {self.settings.recipe}",
        ]
        return ", ".join([*parts, "recording"] if self.settings.is_recording else parts)


class LiveOutput(Protocol):
    """Receives the finished frames; `show` should not block."""

    def show(self, shown: LiveFrame) -> None:
        """Receive a finished frame."""

    def close(self) -> None:
        """End the output; called once, possibly from another thread while `show` is blocked."""


@dataclass(frozen=True, eq=False)
class _Finished:
    """A tracked frame and the settings it was made with."""

    frame: Frame
    skeleton: Skeleton
    recipe: str
    gives_dense: bool
    gives_masks: bool
    is_plain_cpu: bool


class LiveSession:
    """A live session, which runs until the source ends or `stop` is called.

    The source captures on its own thread, networks and tracker run on the thread that calls `run`, drawing and
    outputs on a third. At most one frame waits between two stages, so latency is bounded by one frame's work
    per stage.

    Args:
        source: The live source.
        build: Makes the pipeline of a recipe, for frames that arrive one by one.
        controls: The settings; may change at any time.
        outputs: Receive the finished frames.
        clock: Adds up how long each stage is busy; None for one of its own.
    """

    def __init__(
        self,
        source: LiveSource,
        build: Callable[[str], Pipeline],
        controls: LiveControls,
        outputs: Sequence[LiveOutput],
        *,
        clock: StageClock | None = None,
    ) -> None:
        self._source = source
        self._build = build
        self._controls = controls
        self._outputs = outputs
        self._stop = Event()
        self._recipe = controls.settings.recipe
        self._pipeline = build(self._recipe)
        self._clock = clock or StageClock()
        self._gives_masks = False
        # Whether the pace was interrupted: by a pause, or while another recipe was built.
        self._is_pace_stale = False
        self._id_offset = 0
        self._last_id = 0
        self._has_ended = False
        self._is_given_up = False
        self._failure: BaseException | None = None

    @property
    def pipeline(self) -> Pipeline:
        """The skeleton of the current recipe."""
        return self._pipeline

    def stop(self) -> None:
        """End the session, from any thread."""
        self._stop.set()
        self._source.close()

    def run(self) -> None:
        """Track until the end, then close the outputs.

        Raises:
            BaseException: Whatever the source, a processor or an output raised.
        """
        waiting: Queue[_Finished] = Queue(1)
        thread = Thread(target=self._put_out, args=(waiting,), name=_THREAD_NAME, daemon=True)
        thread.start()
        try:
            while not self._stop.is_set() and not self._has_ended:
                for frame in self._track():
                    self._hand_over(waiting, self._offset_ids(frame))
                self._follow_recipe()
        finally:
            self.stop()
            thread.join(_JOIN_S)
            self._close_outputs(thread)
        if self._failure is not None:
            raise self._failure

    def _track(self) -> Iterator[Frame]:
        # Each start of the processors makes a new tracker, which counts ids from its first one again: ids are
        # shifted so that none is used for two people.
        self._id_offset = self._last_id
        self._gives_masks = False
        frames = self._clock.iterate(self._feed(), WAIT)
        for stage in self._pipeline.processors:
            frames = self._clock.wrap(stage)(frames)
        return frames

    def _feed(self) -> Iterator[Frame]:
        """Yield the newest frames until the recipe changes or the session ends."""
        while not self._stop.is_set() and self._controls.settings.recipe == self._recipe:
            if self._controls.wait_while_paused(_POLL_S):
                self._is_pace_stale = True
                continue
            # Read before `read`: the last frame, or an error, may arrive between the two.
            is_over = self._source.status.state == "ended"
            frame = self._source.read(_POLL_S)
            if frame is not None:
                yield frame
            elif is_over:
                self._has_ended = True
                return

    def _follow_recipe(self) -> None:
        """Build the recipe of the current settings; if that fails, log it and keep the old one."""
        wanted = self._controls.settings.recipe
        if wanted == self._recipe or self._stop.is_set() or self._has_ended:
            return
        try:
            self._pipeline = self._build(wanted)
        except PoseTrackError as error:
            _log.warning("recipe %s: %s; keeping %s", wanted, error, self._recipe)
            if self._controls.settings.recipe == wanted:
                self._controls.choose_recipe(self._recipe)
            return
        self._recipe, self._is_pace_stale = wanted, True

    def _offset_ids(self, frame: Frame) -> Frame:
        ids = frame.instances.track_ids
        if ids is None or not len(ids):
            return frame
        if self._id_offset:
            ids = np.where(ids == UNTRACKED, ids, ids + self._id_offset)
            frame = replace(frame, instances=replace(frame.instances, track_ids=ids))
        self._last_id = max(self._last_id, int(ids.max()))
        return frame

    def _hand_over(self, waiting: Queue[_Finished], frame: Frame) -> None:
        self._gives_masks |= frame.instances.masks is not None
        pipeline = self._pipeline
        gives = (pipeline.gives_dense, self._gives_masks)
        finished = _Finished(frame, pipeline.skeleton, self._recipe, *gives, pipeline.is_plain_cpu)
        while not self._stop.is_set():
            with suppress(Full):
                waiting.put(finished, timeout=_POLL_S)
                return

    def _put_out(self, waiting: Queue[_Finished]) -> None:
        meter, pace_meter = LiveMeter(), PaceMeter()
        stats = LiveStats()
        renderer: Renderer | None = None
        adviser = Adviser(self._controls.recipes)
        try:
            while not self._stop.is_set() or not waiting.empty():
                try:
                    finished = waiting.get(timeout=_POLL_S)
                except Empty:
                    continue
                frame = finished.frame
                settings = replace(self._controls.settings, recipe=finished.recipe)
                if renderer is None or renderer.skeleton != finished.skeleton:
                    renderer = Renderer(finished.skeleton)
                renderer.style = settings.style
                if self._is_pace_stale:
                    self._is_pace_stale = False
                    pace_meter.restart()
                with self._clock.stage(DRAW):
                    drawn, status = renderer(frame), self._source.status
                    pace = pace_meter.add(time.monotonic(), status.num_captured, self._clock.busy_s)
                    advice = adviser.advise(
                        pace,
                        recipe=finished.recipe,
                        num_people=len(frame.instances),
                        is_plain_cpu=finished.is_plain_cpu,
                    )
                    shown = LiveFrame(
                        frame,
                        drawn,
                        settings,
                        stats,
                        status,
                        gives_dense=finished.gives_dense,
                        gives_masks=finished.gives_masks,
                        colors=_find_colors(renderer, frame),
                        advice=advice,
                    )
                    for output in self._outputs:
                        if self._is_given_up:
                            return
                        output.show(shown)
                stats = meter.add(time.monotonic() - self._source.started_s - frame.time_s)
        except BaseException as error:  # noqa: BLE001, carried over to the thread of `run`
            self._failure = error
        finally:
            self._stop.set()

    def _close_outputs(self, thread: Thread) -> None:
        """Close every output, also where another one fails; returns the first failure."""
        if thread.is_alive():
            self._is_given_up = True
            _log.warning("an output is blocked by a reader that does not take its images; closing without it")
        for output in self._outputs:
            try:
                output.close()
            except BaseException as error:  # noqa: BLE001, raised by `run` when the others are closed
                self._failure = self._failure or error


def _find_colors(renderer: Renderer, frame: Frame) -> dict[int, Color]:
    ids = frame.instances.track_ids
    return {} if ids is None else {track_id: renderer.find_color(track_id) for track_id in ids.tolist()}
