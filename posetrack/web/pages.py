"""The frame of a page's server: requests checked, answers with the security headers, files of the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

from aiohttp import web

from posetrack.web.access import SECURITY_HEADERS, Access
from posetrack.web.connection import Connection

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers a request."""

_CONTENT_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def make_page_app(access: Access, folder: Path, max_body_bytes: int = 1 << 16) -> web.Application:
    """Make an aiohttp application that serves the files of a page, to those whom the rules accept.

    Args:
        access: The rules.
        folder: The files; `index.html` is at `/`.
        max_body_bytes: The largest body of a request.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = request.protocol
        with connection.passage.answering() if isinstance(connection, Connection) else nullcontext():
            try:
                access.check(request)
                return await handler(request)
            except web.HTTPException as refusal:
                # Another try costs another connection, and those are bounded.
                refusal.force_close()
                raise

    app = web.Application(middlewares=[check], client_max_size=max_body_bytes)
    app.on_response_prepare.append(_add_headers)
    for path in sorted(folder.iterdir()):
        if path.suffix in _CONTENT_TYPES:
            name = "" if path.name == "index.html" else path.name
            app.router.add_get(f"/{name}", _make_file_handler(path, access))
    app.router.add_get("/healthz", _tell_health)
    return app


def _make_file_handler(path: Path, access: Access) -> Handler:
    content = path.read_bytes()

    async def send_file(request: web.Request) -> web.StreamResponse:
        response = web.Response(body=content, content_type=_CONTENT_TYPES[path.suffix], charset="utf-8")
        if access.has_token(request):
            # No redirect to a URL without the token: after a click on a link of another site the browser
            # would not send a strict cookie with it.
            response.set_cookie(access.cookie, access.make_cookie(), httponly=True, samesite="Strict")
        return response

    return send_file


async def _tell_health(request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    response.headers.popall("Server", None)
