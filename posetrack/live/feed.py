"""The newest image for all viewers of the browser view: taken from the output thread and encoded once."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from posetrack.live.audience import Audience
from posetrack.live.session import LiveFrame
from posetrack.live.state import StateReader
from posetrack.web.gate import GateLimits
from posetrack.web.jpeg import encode_jpeg

_FRESH_S = 2.0
_POLL_S = 0.02


@dataclass(frozen=True)
class ViewOptions:
    """Sizes and limits of the browser view.

    Attributes:
        max_side_px: Larger images are scaled down so that their longer side has this length.
        jpeg_quality: 1 to 100.
        max_viewers: Largest number of viewers at a time; half of them may be readers of MJPEG.
        state_every_s: Interval at which viewers are sent the state while no images arrive.
        silent_after_s: A viewer that has not acknowledged its image for this long is sent nothing until it
            does.
        closed_after_s: A viewer that has not answered for this long is disconnected.
        gate: Limits on connections, of viewers and of anybody else.
    """

    max_side_px: int = 1280
    jpeg_quality: int = 80
    max_viewers: int = 32
    state_every_s: float = 1.0
    silent_after_s: float = 10.0
    closed_after_s: float = 60.0
    gate: GateLimits = field(default_factory=GateLimits)


@dataclass(frozen=True)
class ViewedImage:
    """An encoded image with its state, as it is sent to viewers.

    Attributes:
        number: Running number of the image on this server.
        message: The state that belongs to the image, JSON.
        jpeg: The encoded image.
    """

    number: int
    message: str
    jpeg: bytes


class ImageFeed:
    """Holds the newest image; all viewers share one encoding of it.

    Only `offer` may be called from a thread other than that of the event loop.

    Attributes:
        audience: The viewers.
        number: Number of the newest image; 0 before the first.
        num_changes: Incremented when viewers should be sent the state at once.
        is_over: Whether the session has ended.
    """

    def __init__(self, reader: StateReader, options: ViewOptions) -> None:
        """Make an empty feed, in the event loop that serves the viewers.

        Args:
            reader: Makes the states.
            options: Size and quality of the images.
        """
        self.number = 0
        self.num_changes = 0
        self.is_over = False
        self._reader = reader
        self._options = options
        self.audience = Audience(options.max_viewers)
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="posetrack-jpeg")
        self._lock = Lock()
        self._offered: LiveFrame | None = None
        self._newest: LiveFrame | None = None
        self._newest_s = 0.0
        self._encoding: asyncio.Future[ViewedImage] | None = None
        self._encoding_number = 0

    def offer(self, shown: LiveFrame) -> None:
        """Replace the newest image, from any thread, without blocking."""
        with self._lock:
            is_announced = self._offered is not None
            self._offered = shown
        if not is_announced:
            # When the loop has ended, there are no viewers.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._take_offered)

    def announce(self) -> None:
        """Send every viewer the state at once."""
        self.num_changes += 1
        self.audience.wake()

    async def end(self, farewell_s: float) -> None:
        """Tell every viewer that the session has ended, and abort the connections that do not close.

        Args:
            farewell_s: How long viewers have to disconnect by themselves.
        """
        self.is_over = True
        self.announce()
        end_s = time.monotonic() + farewell_s
        while len(self.audience) and time.monotonic() < end_s:
            await asyncio.sleep(_POLL_S)
        for viewer in self.audience:
            viewer.transport.abort()

    def close(self) -> None:
        """Stop the encoding thread."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def make_state(self) -> dict[str, Any]:
        """The current state."""
        is_fresh = time.monotonic() - self._newest_s < _FRESH_S
        return self._reader.make_state(self._newest, is_fresh=is_fresh, is_over=self.is_over)

    async def encode_newest(self) -> ViewedImage:
        """Wait for the newest image to be encoded, or for an encoding that has already begun.

        Returns:
            The encoded image; newer than any that a viewer was sent, if `number` was.

        Raises:
            RuntimeError: There is no image yet.
        """
        if self._encoding is None or (self._encoding.done() and self._encoding_number != self.number):
            if self._newest is None:
                raise RuntimeError("there is no image yet")
            self._encoding_number = self.number
            self._encoding = self._loop.run_in_executor(self._executor, self._encode, self.number, self._newest)
        return await asyncio.shield(self._encoding)

    def _encode(self, number: int, shown: LiveFrame) -> ViewedImage:
        state = self._reader.make_state(shown, is_fresh=True, is_over=False)
        message = make_state_message(state, image_number=number)
        jpeg = encode_jpeg(shown.drawn, self._options.max_side_px, self._options.jpeg_quality)
        return ViewedImage(number, message, jpeg)

    def _take_offered(self) -> None:
        with self._lock:
            self._newest, self._offered = self._offered, None
        self._newest_s = time.monotonic()
        self.number += 1
        self.audience.wake()


def make_state_message(state: dict[str, Any], *, image_number: int | None = None) -> str:
    """Encode a state as JSON, with the number of the image that follows it, if any."""
    return json.dumps({"state": state, "image": image_number}, separators=(",", ":"), allow_nan=False)
