"""A connection of the browser view: aiohttp's HTTP protocol, with bounded input and errors of one line."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import cast

from aiohttp import web

from posetrack.web.access import SECURITY_HEADERS
from posetrack.web.gate import Gate, Passage

_LINGERING_S = 1.0

_log = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """The HTTP protocol of one connection.

    Args:
        server: The server that answers its requests.
        gate: Told when it is closed.
        passage: What the gate knows about it.
        silent_s: Longest time to the next request.

    Attributes:
        passage: As given.
    """

    def __init__(self, server: web.Server, gate: Gate, passage: Passage, silent_s: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=silent_s,
            lingering_time=_LINGERING_S,
            access_log=None,  # type: ignore[arg-type] # aiohttp means it to be possible.
            logger=_log,
        )
        self.passage = passage
        self._gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.passage.transport = cast("asyncio.Transport", transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._gate.leave(self.passage)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what was received; a peer that floods is disconnected."""
        if self.passage.may_receive(len(data)):
            super().data_received(data)
        elif self.passage.transport is not None:
            _log.warning("browser view: %s sends too much; it is disconnected", self.passage.peer)
            self.passage.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request, or one whose handler failed, and close the connection.

        aiohttp's own answer names the server and its version, and lacks the security headers.
        """
        if isinstance(exc, ConnectionError):
            pass  # It left.
        elif status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("browser view: a request from %s failed", self.passage.peer, exc_info=exc)
        else:
            _log.warning("browser view: malformed request from %s", self.passage.peer)
        transport = self.passage.transport
        if transport is not None and not transport.is_closing() and not request.writer.output_size:
            transport.write(_make_answer(HTTPStatus(status)))
        self.force_close()
        return web.Response(status=status)  # It has nowhere to go.


def _make_answer(status: HTTPStatus) -> bytes:
    body = f"{status.phrase.lower()}\n"
    headers = {
        **SECURITY_HEADERS,
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n{body}".encode()
