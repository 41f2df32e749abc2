"""WebServer: serves a site from a thread of its own, behind the gate."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from threading import Event, Thread
from typing import Any, Protocol
from urllib.parse import quote

from aiohttp import web

from posetrack.errors import PoseTrackError
from posetrack.web.access import Access, make_token
from posetrack.web.calm_log import calm
from posetrack.web.connection import Connection
from posetrack.web.gate import Gate, GateLimits, Passage

_LAST_PORT = 65535
_THREAD_NAME = "posetrack-browser"
_START_S = 10.0
_SHUTDOWN_S = 0.1
_JOIN_S = 5.0
_CALMED = (
    *(f"posetrack.web.{name}" for name in ("server", "gate", "connection")),
    *("asyncio", "aiohttp.server", "aiohttp.web", "aiohttp.websocket"),
)

_log = logging.getLogger(__name__)


class Site(Protocol):
    """What a server serves; all its methods run in the server's loop."""

    def open(self, access: Access) -> web.Application:
        """Make the application, whose requests are to be checked by `access`."""

    async def end(self) -> None:
        """Say good-bye to whoever is connected."""

    def close(self) -> None:
        """Release everything; nobody is connected any more."""


class WebServer:
    """Serves a site over HTTP; it starts when the object is made.

    Attributes:
        port: The port in use.
        url: The address to open, with the token if one is needed.
        is_shared: Whether other machines can reach it.
    """

    def __init__(
        self,
        site: Site,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str | None = None,
        limits: GateLimits | None = None,
        calmed: tuple[str, ...] = (),
    ) -> None:
        """Start serving.

        Args:
            site: What is served.
            host: Host name or address to listen on; 127.0.0.1 serves this machine only.
            port: Port to listen on; 0 for any free one.
            token: The secret that viewers have to know. None makes a random one, or none at all if only this
                machine is served.
            limits: Limits on connections.
            calmed: Names of further logs that strangers could fill.

        Raises:
            PoseTrackError: It cannot listen on this host and port.
        """
        self._site = site
        self._limits = limits or GateLimits()
        self._calmed = (*_CALMED, *calmed)
        self._socket = _listen(host, port)
        address, self.port = self._socket.getsockname()[:2]
        is_loopback = ip_address(address.partition("%")[0]).is_loopback
        token = token or (None if is_loopback else make_token())
        self.is_shared = not is_loopback
        self._access = Access(token, is_loopback, f"posetrack_{self.port}")
        self.url = f"http://{_find_name(host, address)}:{self.port}/"
        if token is not None:
            self.url += f"?token={quote(token, safe='')}"

        self._stop: Callable[[], object] | None = None
        self._failure: BaseException | None = None
        self._is_serving = False
        self._is_started = Event()
        self._thread = Thread(target=self._run, name=_THREAD_NAME, daemon=True)
        self._thread.start()
        self._is_started.wait(_START_S)
        if not self._is_serving:
            self.close()
            raise PoseTrackError(f"--serve {host}:{port}: the server did not start: {self._failure}")

    def close(self) -> None:
        """End the site, and stop the server; may be called twice."""
        if self._stop is not None:
            # RuntimeError: the loop has ended already.
            with suppress(RuntimeError):
                self._stop()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            with calm(*self._calmed):
                asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001, the program goes on without its server
            self._failure = error
            _log.warning("browser view: %s", error)
        finally:
            self._socket.close()
            self._is_started.set()

    async def _serve(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        app = self._site.open(self._access)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        loop.set_exception_handler(_log_failure)
        accepting: asyncio.Task[None] | None = None
        try:
            await runner.setup()
            gate = Gate(
                self._socket, lambda passage: self._make_connection(runner, gate, passage), self._limits
            )
            accepting = asyncio.create_task(gate.serve())
            self._is_serving = True
            self._is_started.set()
            await stop.wait()
            await self._site.end()
        finally:
            if accepting is not None:
                accepting.cancel()
                await asyncio.gather(accepting, return_exceptions=True)
            await runner.cleanup()
            self._site.close()

    def _make_connection(self, runner: web.AppRunner, gate: Gate, passage: Passage) -> Connection:
        server = runner.server
        if server is None:
            raise ConnectionError("the server has stopped")
        return Connection(server, gate, passage, self._limits.silent_s)


def _log_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _log.error("browser view: %s", context.get("message"), exc_info=context.get("exception"))


def _listen(host: str, port: int) -> socket.socket:
    place = f"--serve {host}:{port}"
    if not 0 <= port <= _LAST_PORT:
        raise PoseTrackError(
            f"{place}: no such port; give one from 1024 to {_LAST_PORT}, or 0 for any free one"
        )
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # For names such as `localhost` the IPv4 address is preferred: every client tries it.
        family, *_, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        listening = socket.create_server(address[:2], family=family)
    except (socket.gaierror, UnicodeError) as error:
        raise PoseTrackError(f"{place}: no such address; give HOST:PORT, such as 127.0.0.1:8000") from error
    except OSError as error:
        raise PoseTrackError(f"{place}: {_explain(error)}") from error
    listening.setblocking(False)
    return listening


def _explain(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is taken; give another one"
        case errno.EACCES:
            return "no permission for this port; give one from 1024 up"
        case errno.EADDRNOTAVAIL:
            return "not an address of this machine; give 127.0.0.1, or 0.0.0.0 for all of its addresses"
        case _:
            return f"cannot serve there: {(error.strerror or str(error)).lower()}; give another HOST:PORT"


def _find_name(host: str, address: str) -> str:
    """The host name for the URL: the host as given, or this machine's outward address if the host means all."""
    parsed = ip_address(address.partition("%")[0])
    if parsed.is_loopback:
        host = address
    if not parsed.is_unspecified:
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Connecting a UDP socket sends nothing; it only chooses the route.
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
