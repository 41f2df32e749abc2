"""From the outputs thread to the viewers: the newest image, encoded once for all of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

import cv2
import numpy as np

from posetrack.frame import ImageArray
from posetrack.live.session import LiveFrame
from posetrack.live.state import StateReader

_FRESH_S = 2.0
_POLL_S = 0.02


@dataclass(frozen=True)
class ViewOptions:
    """How the browser view serves.

    Attributes:
        max_side_px: Larger images are scaled down for the view, so that their longer side is this long.
        jpeg_quality: 1 to 100.
        max_viewers: So many watch at a time.
        state_every_s: Viewers hear from the session this often also while no images come.
        silent_after_s: A viewer that has not drawn its image for so long gets nothing until it has.
        closed_after_s: After so long without an answer it is closed.
    """

    max_side_px: int = 1280
    jpeg_quality: int = 80
    max_viewers: int = 32
    state_every_s: float = 1.0
    silent_after_s: float = 10.0
    closed_after_s: float = 60.0


@dataclass(frozen=True)
class ViewedImage:
    """An image as viewers get it.

    Attributes:
        number: Counts the images that the server has seen.
        message: The state that belongs to it, JSON.
        jpeg: The image.
    """

    number: int
    message: str
    jpeg: bytes


class ImageFeed:
    """Holds the newest image; viewers that watch share one encoding of it.

    Only `offer` may be called from another thread than the loop's.

    Attributes:
        number: Of the newest image; 0 before the first.
        num_changes: Grows when viewers should hear of the state at once.
        is_over: No more images come.
    """

    def __init__(self, reader: StateReader, options: ViewOptions) -> None:
        """Start empty, in the loop that the viewers run in.

        Args:
            reader: Makes the states.
            options: Size and quality.
        """
        self.number = 0
        self.num_changes = 0
        self.is_over = False
        self._reader = reader
        self._options = options
        self._viewers: dict[asyncio.Event, asyncio.Transport] = {}
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="posetrack-jpeg")
        self._lock = Lock()
        self._offered: LiveFrame | None = None
        self._newest: LiveFrame | None = None
        self._newest_s = 0.0
        self._encoding: asyncio.Future[ViewedImage] | None = None
        self._encoding_number = 0

    def offer(self, shown: LiveFrame) -> None:
        """Take an image in place of the one before, from any thread, without waiting."""
        with self._lock:
            is_announced = self._offered is not None
            self._offered = shown
        if not is_announced:
            # A loop that has ended has no viewers either.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._take_offered)

    @property
    def num_viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    @contextmanager
    def watch(self, transport: asyncio.Transport) -> Iterator[asyncio.Event]:
        """Be told of news while in the context.

        Args:
            transport: To the viewer; cut when the session ends and the viewer does not answer.

        Yields:
            Set when there is news; to be cleared by the viewer.
        """
        wake_up = asyncio.Event()
        self._viewers[wake_up] = transport
        try:
            yield wake_up
        finally:
            del self._viewers[wake_up]

    def announce(self) -> None:
        """Let every viewer hear of the state at once."""
        self.num_changes += 1
        self._wake()

    async def end(self, farewell_s: float) -> None:
        """Let every viewer hear that no more images come, and cut off those that do not listen.

        Args:
            farewell_s: How long they have to leave by themselves.
        """
        self.is_over = True
        self.announce()
        end_s = time.monotonic() + farewell_s
        while self._viewers and time.monotonic() < end_s:
            await asyncio.sleep(_POLL_S)
        for transport in self._viewers.values():
            transport.abort()

    def close(self) -> None:
        """End the encoding thread."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def make_state(self) -> dict[str, Any]:
        """The state now."""
        is_fresh = time.monotonic() - self._newest_s < _FRESH_S
        return self._reader.make_state(self._newest, is_fresh=is_fresh, is_over=self.is_over)

    async def encode_newest(self) -> ViewedImage:
        """Wait for the encoding of the newest image, or for one that is under way.

        Returns:
            The image; newer than those that a viewer had before, if `number` was.

        Raises:
            RuntimeError: There is none yet.
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
        self._wake()

    def _wake(self) -> None:
        for wake_up in self._viewers:
            wake_up.set()


def make_state_message(state: dict[str, Any], *, image_number: int | None = None) -> str:
    """The text of a state, with the number of the image that follows it where one does."""
    return json.dumps({"state": state, "image": image_number}, separators=(",", ":"), allow_nan=False)


def encode_jpeg(image: ImageArray, max_side_px: int, quality: int) -> bytes:
    """Make a JPEG.

    Args:
        image: (H, W, 3) uint8 RGB.
        max_side_px: A larger image is scaled down.
        quality: 1 to 100.
    """
    height, width = image.shape[:2]
    scale = max_side_px / max(height, width)
    if scale < 1:
        size_wh = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    _, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality)
    )
    return bytes(encoded)
