"""The HTTP routes of the browser view."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSCloseCode, web

from posetrack.live.access import SECURITY_HEADERS, Access
from posetrack.live.audience import Viewer
from posetrack.live.connection import Connection
from posetrack.live.controls import LiveControls
from posetrack.live.feed import ImageFeed, ViewOptions
from posetrack.live.viewers import MJPEG_TYPE, PageViewer, stream_mjpeg

_PAGE = Path(__file__).parent / "page"
_CONTENT_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
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
        app = web.Application(middlewares=[self._check])
        app.on_response_prepare.append(_add_headers)
        app.router.add_get("/", self._make_file_handler(_PAGE / "index.html"))
        for path in sorted(_PAGE.iterdir()):
            if path.suffix in _CONTENT_TYPES and path.name != "index.html":
                app.router.add_get(f"/{path.name}", self._make_file_handler(path))
        app.router.add_get("/ws", self._talk)
        app.router.add_get("/stream.mjpg", self._stream, allow_head=False)
        app.router.add_get("/state.json", self._tell_state)
        app.router.add_get("/healthz", self._tell_health)
        return app

    @web.middleware
    async def _check(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        connection = request.protocol
        with connection.passage.answering() if isinstance(connection, Connection) else nullcontext():
            try:
                self.access.check(request)
                return await handler(request)
            except web.HTTPException as refusal:
                # Another try costs another connection, and those are bounded.
                refusal.force_close()
                raise

    def _make_file_handler(self, path: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        content = path.read_bytes()

        async def send_file(request: web.Request) -> web.StreamResponse:
            response = web.Response(body=content, content_type=_CONTENT_TYPES[path.suffix], charset="utf-8")
            if self.access.has_token(request):
                # No redirect to a URL without the token: after a click on a link of another site the browser
                # would not send a strict cookie with it.
                response.set_cookie(
                    self.access.cookie, self.access.make_cookie(), httponly=True, samesite="Strict"
                )
            return response

        return send_file

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

    async def _tell_health(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    def _admit(self, request: web.Request, *, is_stream: bool = False) -> Viewer | None:
        transport = request.transport
        return None if transport is None else self.feed.audience.admit(transport, is_stream=is_stream)

    def _say_full(self) -> str:
        return f"{self.options.max_viewers} viewers are watching already; try again later"


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    response.headers.popall("Server", None)
