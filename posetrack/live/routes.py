"""The HTTP routes of the browser view."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSCloseCode, web

from posetrack.live.audience import Viewer
from posetrack.live.controls import LiveControls
from posetrack.live.feed import ImageFeed, ViewOptions
from posetrack.live.viewers import MJPEG_TYPE, PageViewer, stream_mjpeg
from posetrack.web.access import Access
from posetrack.web.pages import make_page_app

_PAGE = Path(__file__).parent / "page"
_HEARTBEAT_S = 20.0
_GOODBYE_S = 0.3
_MAX_COMMAND_BYTES = 4096


@dataclass(frozen=True)
class Routes:
    """The request handlers; every request is checked by `access`.

    Attributes:
        access: The rules by which requests are accepted.
        feed: Images and states.
        controls: The settings that viewers may change.
        options: Sizes and limits.
    """

    access: Access
    feed: ImageFeed
    controls: LiveControls
    options: ViewOptions

    def make_app(self) -> web.Application:
        """Make the aiohttp application."""
        app = make_page_app(self.access, _PAGE)
        app.router.add_get("/ws", self._talk)
        app.router.add_get("/stream.mjpg", self._stream, allow_head=False)
        app.router.add_get("/state.json", self._tell_state)
        return app

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            timeout=_GOODBYE_S,
            heartbeat=_HEARTBEAT_S,
            autoping=False,  # Pings count as messages.
            compress=False,
            max_msg_size=_MAX_COMMAND_BYTES,
        )
        await socket.prepare(request)
        viewer = self._admit(request)
        if viewer is None:
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=self._say_full().encode())
            return socket
        try:
            await PageViewer(socket, viewer, self.feed, self.controls, self.options).serve()
        finally:
            self.feed.audience.leave(viewer)
        return socket

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        viewer = self._admit(request, is_stream=True)
        if viewer is None:
            raise web.HTTPServiceUnavailable(text=f"{self._say_full()}\n")
        response = web.StreamResponse(headers={"Content-Type": MJPEG_TYPE})
        try:
            await response.prepare(request)
            await stream_mjpeg(response, viewer, self.feed, self.options)
        finally:
            self.feed.audience.leave(viewer)
        return response

    async def _tell_state(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.feed.make_state())

    def _admit(self, request: web.Request, *, is_stream: bool = False) -> Viewer | None:
        transport = request.transport
        return None if transport is None else self.feed.audience.admit(transport, is_stream=is_stream)

    def _say_full(self) -> str:
        return f"{self.options.max_viewers} viewers are watching already; try again later"
