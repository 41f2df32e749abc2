"""Live sources: the newest frame of a camera, a network stream, or a file played like one."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Literal, Self

import numpy as np

from posetrack.addresses import show_address
from posetrack.errors import VideoError
from posetrack.frame import Frame, ImageArray
from posetrack.video.capture import Capture, capture_camera, capture_file, capture_stream
from posetrack.video.limits import MAX_PIXELS, check_max_pixels
from posetrack.video.silence import Silence

OpenCapture = Callable[[Event], Capture]
"""Connects to a source and yields its images; stops when the event is set."""

NOMINAL_FPS = Fraction(25)
"""The rate that files of live sources declare; each frame has its own time."""

TIME_BASE = Fraction(1, 1000)
"""The clock of videos of live sources, in seconds."""

_FIRST_RETRY_S = 0.5
_LONGEST_RETRY_S = 10.0
_FIRST_IMAGE_S = 30.0
_JOIN_S = 0.5
_THREAD_NAME = "posetrack-capture"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveStatus:
    """Connection state and counters of a live source.

    Attributes:
        state: `connecting` before the first image, `live`, `lost` between two connections, or `ended`.
        message: Why the connection was lost, else empty.
        num_captured: Number of captured images.
        num_dropped: Number of those that were replaced by a newer one before they were read.
        num_reconnects: Number of times that the connection was lost and restored.
    """

    state: Literal["connecting", "live", "lost", "ended"] = "connecting"
    message: str = ""
    num_captured: int = 0
    num_dropped: int = 0
    num_reconnects: int = 0


class LiveSource:
    """A live source: captures on its own thread and keeps the newest frame only, so readers never lag.

    A frame's `index` counts the captured images, so it has gaps where some were dropped; its `time_s` is the
    moment of capture, in seconds since `started_s`. A lost source is reconnected, after a delay that doubles
    from 0.5 s to 10 s. Where the resolution changes, only the size of the frames changes.

    Attributes:
        name: Name of the source for messages and pages, without secrets.
        started_s: `time.monotonic()` at the start.
    """

    def __init__(
        self,
        open_capture: OpenCapture,
        name: str,
        *,
        comes_back: bool = True,
        timeout_s: float | None = None,
    ) -> None:
        """Start capturing.

        Args:
            open_capture: Connects to the source.
            name: Name of the source for messages.
            comes_back: Whether to reconnect after the end or a failure; otherwise the frames end there.
            timeout_s: Longest time without an image, reconnecting included; None to reconnect for ever.

        Raises:
            VideoError: The time-out is not above 0.
        """
        self._silence = Silence(name, timeout_s)
        self.name = name
        self.started_s = time.monotonic()
        self._open_capture = open_capture
        self._comes_back = comes_back
        self._changed = Condition()
        self._stop = Event()
        self._newest: Frame | None = None
        self._status = LiveStatus()
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._capture, name=_THREAD_NAME, daemon=True)
        self._thread.start()

    @property
    def status(self) -> LiveStatus:
        """The current state and counters."""
        with self._changed:
            return self._status

    def wait_for_first(self) -> Frame:
        """Wait until there is a first frame, without reading it.

        Raises:
            VideoError: The first connection failed, or no image arrived in time. With a time-out, connecting is
                tried again until then.
        """
        timeout_s = self._silence.timeout_s
        has_failed = self._is_over_or_lost if timeout_s is None else self._is_over
        with self._changed:
            self._changed.wait_for(
                lambda: self._newest is not None or has_failed(),
                _FIRST_IMAGE_S if timeout_s is None else timeout_s,
            )
            if self._newest is not None:
                return self._newest
            self._raise_failure()
            if self._status.message:
                raise VideoError(f"{self.name}: {self._status.message}")
            raise Silence(self.name, timeout_s or _FIRST_IMAGE_S).make_error()

    def read(self, timeout_s: float | None = None) -> Frame | None:
        """Read the newest frame, waiting for one that was not read before.

        Args:
            timeout_s: Longest time to wait; None for no limit.

        Returns:
            The frame; None at the timeout or after the end of the source (see `status.state`).

        Raises:
            BaseException: What the capture raised, except a VideoError of a source that is reconnected.
            SilentSourceError: There was no image for longer than the time-out.
        """
        limits_s = [limit_s for limit_s in (timeout_s, self._silence.left_s) if limit_s is not None]
        with self._changed:
            self._changed.wait_for(
                lambda: self._newest is not None or self._is_over(), min(limits_s, default=None)
            )
            frame, self._newest = self._newest, None
            if frame is None:
                self._raise_failure()
                if not self._is_over():
                    self._silence.check()
            return frame

    def __iter__(self) -> Iterator[Frame]:
        """Yield the newest frames until the source ends."""
        while (frame := self.read()) is not None:
            yield frame

    def close(self) -> None:
        """Stop capturing; a device or stream that hangs is left to its daemon thread."""
        with self._changed:
            is_first = not self._stop.is_set()
            self._stop.set()
            self._status = replace(self._status, state="ended")
            self._changed.notify_all()
        if is_first:
            self._thread.join(_JOIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_over(self) -> bool:
        return self._status.state == "ended"

    def _is_over_or_lost(self) -> bool:
        return self._status.state in ("ended", "lost")

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _capture(self) -> None:
        try:
            wait_s = _FIRST_RETRY_S
            while not self._stop.is_set():
                num_before = self._status.num_captured
                message = self._capture_once()
                if self._stop.is_set() or not self._comes_back:
                    break
                if self._status.num_captured > num_before:
                    wait_s = _FIRST_RETRY_S
                self._lose(message or "the stream ended")
                self._stop.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_RETRY_S)
        except BaseException as error:  # noqa: BLE001, carried over to whoever reads
            self._failure = error
        finally:
            self._set_status(state="ended")

    def _lose(self, message: str) -> None:
        """Log that the connection is lost; once, however often reconnecting fails for the same reason."""
        if self._status.num_captured and (self._status.state, self._status.message) != ("lost", message):
            _log.warning("%s: %s; connecting again", self.name, message)
        self._set_status(state="lost", message=message)

    def _capture_once(self) -> str:
        """Capture until the source ends or is lost; returns the reason."""
        try:
            with closing(self._open_capture(self._stop)) as images:
                for image in images:
                    if self._stop.is_set():
                        break
                    self._offer(image)
        except VideoError as error:
            if not self._comes_back:
                raise
            return str(error).removeprefix(f"{self.name}: ")
        return ""

    def _offer(self, image: ImageArray) -> None:
        with self._changed:
            if self._stop.is_set():
                return
            self._silence.end()
            status = self._status
            came_back = status.state == "lost" and status.num_captured > 0
            self._status = replace(
                status,
                state="live",
                message="",
                num_captured=status.num_captured + 1,
                num_dropped=status.num_dropped + (self._newest is not None),
                num_reconnects=status.num_reconnects + came_back,
            )
            self._newest = Frame(status.num_captured, time.monotonic() - self.started_s, image)
            self._changed.notify_all()
        if came_back:
            _log.warning("%s: it is back", self.name)

    def _set_status(self, *, state: Literal["lost", "ended"], message: str | None = None) -> None:
        with self._changed:
            if self._status.state != "ended":
                message = self._status.message if message is None else message
                self._status = replace(self._status, state=state, message=message)
            self._changed.notify_all()


def open_live(
    source: str,
    *,
    mirror: bool = False,
    loop: bool = False,
    speed: float = 1.0,
    max_pixels: int = MAX_PIXELS,
    timeout_s: float | None = None,
) -> LiveSource:
    """Open a camera, a stream or a file as a live source.

    Args:
        source: The number of a camera, a device (`/dev/video0`), a URL, or a video file.
        mirror: Whether to flip the images left to right.
        loop: Whether to play a file repeatedly.
        speed: Playback speed of a file; 2 is twice as fast.
        max_pixels: The most pixels that an image of a stream or file may have.
        timeout_s: Longest time without an image; None to reconnect for ever.

    Returns:
        The source, capturing.

    Raises:
        VideoError: There is no such source, or it delivers no image.
    """
    check_max_pixels(max_pixels)
    comes_back = True
    capture: OpenCapture
    if source.isdecimal() or source.startswith("/dev/video"):
        capture = lambda stop: capture_camera(source)  # noqa: E731
    elif "://" in source:
        capture = lambda stop: capture_stream(source, stop, max_pixels=max_pixels)  # noqa: E731
    elif os.path.isfile(source):
        comes_back = loop
        capture = lambda stop: capture_file(  # noqa: E731
            source, stop, loop=loop, speed=speed, max_pixels=max_pixels
        )
    else:
        raise VideoError(
            f"{show_address(source)}: no such camera or file; give a camera's number, a device, a URL or a "
            "video"
        )
    opened = capture if not mirror else lambda stop: _mirror(capture(stop))
    live = LiveSource(opened, show_address(source), comes_back=comes_back, timeout_s=timeout_s)
    try:
        live.wait_for_first()
    except BaseException:
        live.close()
        raise
    return live


def _mirror(images: Capture) -> Capture:
    with closing(images):
        for image in images:
            yield np.ascontiguousarray(image[:, ::-1])
