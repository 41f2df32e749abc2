"""The connection to one viewer: a page on a WebSocket, or a reader of MJPEG. No viewer delays another."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from contextlib import suppress

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from posetrack.errors import PoseTrackError
from posetrack.live.audience import Viewer
from posetrack.live.controls import LiveControls
from posetrack.live.feed import ImageFeed, ViewOptions, make_state_message
from posetrack.web.gate import Budget

_COMMANDS = '{"toggle": name}, {"recipe": name}, {"ack": number} or {"watch": true or false}'
_BOUNDARY = "posetrack-image"
MJPEG_TYPE = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
"""Content type of `stream_mjpeg`."""

# With buffers of megabytes, a slow viewer would be shown old images.
_SEND_BUFFER_BYTES = 256 * 1024

# A page acknowledges each image; a key that is held down repeats 30 times a second.
_MESSAGES_PER_S = 200.0
_BURST_MESSAGES = 600.0
_CHANGES_PER_S = 30.0
_BURST_CHANGES = 100.0

_log = logging.getLogger(__name__)


class PageViewer:
    """Sends states and images to a page, one image at a time: the next after the page has drawn this one.

    Args:
        socket: WebSocket to the page.
        viewer: Its place; the connection is aborted if the page does not answer.
        feed: Images and states.
        controls: The settings that the page's commands change.
        options: Time limits.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        viewer: Viewer,
        feed: ImageFeed,
        controls: LiveControls,
        options: ViewOptions,
    ) -> None:
        self._socket = socket
        self._viewer = viewer
        self._feed = feed
        self._controls = controls
        self._options = options
        self._messages = Budget(_BURST_MESSAGES, _MESSAGES_PER_S)
        self._changes = Budget(_BURST_CHANGES, _CHANGES_PER_S)
        self._is_watching = True
        self._number = 0
        self._sent_s: float | None = None
        self._state_s = -float("inf")
        self._num_changes = 0

    async def serve(self) -> None:
        """Serve the page until it disconnects or hangs, or the session ends."""
        self._viewer.wake_up.set()
        sender = asyncio.create_task(self._send_all())
        try:
            async for message in self._socket:
                if not self._messages.take(1):
                    await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many messages")
                    return
                await self._receive(message)
        except ConnectionError:
            pass  # It disconnected while it was being answered.
        finally:
            sender.cancel()
            (failure,) = await asyncio.gather(sender, return_exceptions=True)
            if isinstance(failure, Exception):
                _log.error("a viewer was lost", exc_info=failure)

    async def _receive(self, message: WSMessage) -> None:
        if message.type is WSMsgType.PING:
            await self._socket.pong(message.data)
        elif message.type is WSMsgType.TEXT:
            await self._take(message.data)
        elif message.type is not WSMsgType.PONG:
            await self._answer(f"expected text: {_COMMANDS}")

    async def _take(self, text: str) -> None:
        try:
            self._obey(text)
        except PoseTrackError as error:
            await self._answer(str(error))

    async def _answer(self, error: str) -> None:
        await self._socket.send_str(json.dumps({"error": error}))

    def _obey(self, text: str) -> None:
        try:
            command = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PoseTrackError(f"not JSON; expected {_COMMANDS}") from error
        match command:
            case {"toggle": str(name)}:
                self._count_change()
                self._controls.toggle(name)
                self._feed.announce()
            case {"recipe": str(name)}:
                self._count_change()
                self._controls.choose_recipe(name)
                self._feed.announce()
            case {"ack": int(number)}:
                if number == self._number:
                    self._sent_s = None
                    self._viewer.settle()
                    self._viewer.wake_up.set()
            case {"watch": bool(is_watching)}:
                self._is_watching = is_watching
                if is_watching:
                    self._viewer.settle()
                else:
                    self._viewer.owe()
                self._viewer.wake_up.set()
            case _:
                raise PoseTrackError(f"unknown command; expected {_COMMANDS}")

    def _count_change(self) -> None:
        """Count a change of the settings, which all viewers are told.

        Raises:
            PoseTrackError: There are too many.
        """
        if not self._changes.take(1):
            raise PoseTrackError("too many changes at once; try again")

    async def _send_all(self) -> None:
        try:
            while not self._feed.is_over:
                await _wait_for(self._viewer.wake_up, self._options.state_every_s)
                waited_s = 0.0 if self._sent_s is None else time.monotonic() - self._sent_s
                if waited_s > self._options.closed_after_s:
                    self._viewer.transport.abort()
                    return
                if waited_s < self._options.silent_after_s and not self._feed.is_over:
                    async with asyncio.timeout(self._options.closed_after_s):
                        await self._send_news()
            await self._send_state()
            await self._socket.close(message=b"the session has ended")
        except TimeoutError:
            self._viewer.transport.abort()
        except ConnectionError:
            pass  # It left.
        finally:
            self._viewer.transport.close()

    async def _send_news(self) -> None:
        if self._is_watching and self._sent_s is None and self._feed.number > self._number:
            shown = await self._feed.encode_newest()
            self._number, self._sent_s = shown.number, time.monotonic()
            self._viewer.owe()
            self._state_s, self._num_changes = self._sent_s, self._feed.num_changes
            await self._socket.send_str(shown.message)
            await self._socket.send_bytes(shown.jpeg)
        elif (
            self._num_changes != self._feed.num_changes
            or time.monotonic() - self._state_s >= self._options.state_every_s
        ):
            await self._send_state()

    async def _send_state(self) -> None:
        self._state_s, self._num_changes = time.monotonic(), self._feed.num_changes
        await self._socket.send_str(make_state_message(self._feed.make_state()))


async def stream_mjpeg(
    response: web.StreamResponse, viewer: Viewer, feed: ImageFeed, options: ViewOptions
) -> None:
    """Send the newest images as MJPEG until the reader disconnects or hangs, or the session ends.

    Args:
        response: A prepared response of `MJPEG_TYPE`.
        viewer: Its place; the connection is aborted if the reader stops reading.
        feed: Images.
        options: Time limits.
    """
    peer = viewer.transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    number = 0
    viewer.settle()
    try:
        while not feed.is_over and not viewer.transport.is_closing():
            if feed.number > number:
                shown = await feed.encode_newest()
                number = shown.number
                viewer.owe()
                async with asyncio.timeout(options.silent_after_s):
                    await response.write(_make_part(shown.jpeg))
                viewer.settle()
            await _wait_for(viewer.wake_up, options.state_every_s)
    except TimeoutError:
        viewer.transport.abort()
    except ConnectionError:
        pass  # It left.


def _make_part(jpeg: bytes) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"


async def _wait_for(wake_up: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await wake_up.wait()
    wake_up.clear()
