"""The gate of the browser view against peers who connect and say nothing, nonsense, or too much."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import aiohttp
import pytest

from posetrack.live.audience import Audience
from posetrack.live.controls import LiveControls, LiveSettings
from posetrack.live.feed import ViewOptions
from posetrack.live.server import BrowserView
from posetrack.web import gate as gate_module
from posetrack.web.calm_log import CalmFilter, calm
from posetrack.web.gate import Budget, GateLimits, find_peer

HALF = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
ASK = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
WAIT_S = 10.0


@contextmanager
def serve(options: ViewOptions | None = None, **limits: Any) -> Iterator[BrowserView]:
    options = options or ViewOptions(gate=GateLimits(**limits))
    view = BrowserView(LiveControls(LiveSettings("fast")), port=0, options=options)
    try:
        yield view
    finally:
        view.close()


def connect(view: BrowserView, data: bytes = b"") -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", view.port), WAIT_S)
    peer.sendall(data)
    return peer


def read_all(peer: socket.socket) -> bytes:
    """What arrives until the connection is closed."""
    data = b""
    with suppress(ConnectionError):
        while block := peer.recv(65536):
            data += block
    return data


def ask(view: BrowserView) -> bytes:
    with connect(view, ASK) as peer:
        return read_all(peer)


def is_closed(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        return peer.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def wait_until(is_done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not is_done():
        assert time.monotonic() < end_s
        time.sleep(0.02)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.DEBUG, "posetrack")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_half_a_request_is_closed_after_a_while_and_so_is_an_idle_connection():
    with (
        serve(silent_s=0.3) as view,
        connect(view, HALF) as half,
        connect(view) as silent,
        connect(view) as idle,
    ):
        idle.sendall(ASK.replace(b"Connection: close\r\n", b""))
        begin_s = time.monotonic()
        assert read_all(half) == b""
        assert read_all(silent) == b""
        assert read_all(idle).endswith(b"ok\n")
        assert time.monotonic() - begin_s < WAIT_S
        assert ask(view).endswith(b"ok\n")


def test_a_request_that_drips_is_closed_as_well():
    with serve(silent_s=0.3) as view, connect(view) as peer:

        def drip() -> None:
            for byte in HALF * 1000:
                peer.sendall(bytes([byte]))
                time.sleep(0.02)

        with pytest.raises(ConnectionError):
            drip()


def test_many_halves_lock_nobody_out_and_are_one_line(lines):
    with serve(max_connections=16) as view, ExitStack() as stack:
        peers = [stack.enter_context(connect(view, HALF)) for _ in range(60)]
        for _ in range(20):
            assert ask(view).endswith(b"ok\n")
        wait_until(lambda: sum(map(is_closed, peers)) >= 60 - 16)
        assert not is_closed(peers[-1])  # The oldest ones were closed.
    assert lines() == ["browser view: too many connections, from 1 addresses; silent ones are closed"]


def test_one_address_may_not_have_all_connections(monkeypatch, lines):
    monkeypatch.setattr(gate_module, "_is_loopback", lambda peer: False)
    with serve(max_from_peer=4) as view, ExitStack() as stack:
        peers = [stack.enter_context(connect(view, HALF)) for _ in range(12)]
        wait_until(lambda: sum(map(is_closed, peers)) == 8)
        assert ask(view).endswith(b"ok\n")
    assert len(lines()) == 1


def test_capture_and_recording_keep_files_whatever_connects():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        with socket.socket() as probe:
            most = probe.fileno() + 80
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        view = stack.enter_context(serve(kept_files=most // 4))
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        peers = []
        for _ in range(300):
            with connect(view, HALF) as peer:
                # The other ends are in this process too, but should not count.
                far = socket.socket(fileno=fcntl.fcntl(peer.fileno(), fcntl.F_DUPFD, most + 100))
                peers.append(stack.enter_context(far))
        # A few more than there should be are tried now and then.
        wait_until(lambda: sum(not is_closed(peer) for peer in peers) <= 80 - most // 4 + 8)
        assert ask(view).endswith(b"ok\n")


def test_accept_without_descriptors_goes_on_later(monkeypatch, lines):
    monkeypatch.setattr(gate_module, "_BACK_OFF_S", 0.05)
    accept = asyncio.SelectorEventLoop.sock_accept
    failures = [OSError(24, "Too many open files")] * 5

    async def fail_or_accept(loop: asyncio.SelectorEventLoop, listening: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return await accept(loop, listening)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_accept", fail_or_accept)
    with serve() as view:
        assert ask(view).endswith(b"ok\n")
    assert "browser view: no connection can be accepted: Too many open files" in lines()
    assert len(lines()) <= 2


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % (b"a" * 20_000),
    ],
)
def test_malformed_requests_are_refused_in_one_line_a_minute(data: bytes, lines):
    with serve(silent_s=1.0) as view:
        for _ in range(3):
            with connect(view, data) as peer:
                head, _, body = read_all(peer).partition(b"\r\n\r\n")
            if head:
                check_head(head)
                assert b"Traceback" not in body
                assert b"aiohttp" not in body
        assert ask(view).endswith(b"ok\n")
    assert len(lines()) <= 1
    assert all("\n" not in line for line in lines())


def check_head(head: bytes) -> None:
    names = {line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]}
    assert b"server" not in names
    assert {
        b"content-security-policy",
        b"x-content-type-options",
        b"x-frame-options",
        b"referrer-policy",
        b"cache-control",
        b"cross-origin-resource-policy",
    } <= names
    assert b"aiohttp" not in head.lower()
    assert b"python" not in head.lower()


@pytest.mark.parametrize(
    ("request_line", "extra", "status"),
    [
        (b"GET / HTTP/1.1", b"", 200),
        (b"GET /state.json HTTP/1.0", b"", 200),
        (b"HEAD / HTTP/1.1", b"", 200),
        (b"GET /nothing HTTP/1.1", b"", 404),
        (b"POST / HTTP/1.1", b"Content-Length: 0\r\n", 405),
        (b"GET / HTTP/1.1", b"Origin: http://evil.example\r\n", 403),
        (b"GET /ws HTTP/1.1", b"", 400),
        (b"GET /ws HTTP/1.1", b"Upgrade: websocket\r\nConnection: Upgrade\r\n", 400),
        (b"GET / HTTP/1.1", b"Expect: a cake\r\n", 417),
        (b"G@T / HTTP/1.1", b"", 400),
    ],
)
def test_all_answers_have_the_security_headers_and_do_not_name_the_server(
    request_line: bytes, extra: bytes, status: int
):
    with serve(silent_s=1.0) as view:
        data = request_line + b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + extra + b"\r\n"
        if b"Upgrade" in extra:
            data = data.replace(b"Connection: close\r\n", b"")
        with connect(view, data) as peer:
            head = read_all(peer).partition(b"\r\n\r\n")[0]
    assert int(head.split()[1]) == status
    check_head(head)


def test_a_failing_handler_is_one_line_and_says_nothing_outside(monkeypatch, lines):
    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("the secret\nof this house")

    with serve() as view:
        monkeypatch.setattr("posetrack.live.feed.ImageFeed.make_state", fail)
        for _ in range(3):
            with connect(view, b"GET /state.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as peer:
                data = read_all(peer)
            assert data.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
            check_head(data.partition(b"\r\n\r\n")[0])
            assert b"secret" not in data
    assert lines() == ["browser view: a request from 127.0.0.1 failed: RuntimeError: the secret of this house"]


@pytest.mark.parametrize(
    "head",
    [
        b"POST /state.json HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n",
        b"POST /state.json HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        UPGRADE + bytes([129, 255]) + (100_000_000).to_bytes(8, "big") + bytes(4),
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    ],
)
def test_whoever_sends_without_an_end_is_disconnected(head: bytes):
    with serve() as view, connect(view, head) as peer:

        def flood() -> None:
            for _ in range(1600):
                peer.sendall(b"x" * 65536)

        with pytest.raises(ConnectionError):
            flood()
        assert ask(view).endswith(b"ok\n")


def test_answers_that_nobody_reads_are_not_kept_for_ever():
    with serve(silent_s=0.3) as view, connect(view) as peer:

        def ask_often() -> None:
            for _ in range(100_000):
                peer.sendall(b"GET /app.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 10)

        with pytest.raises((ConnectionError, TimeoutError)):
            ask_often()
        assert ask(view).endswith(b"ok\n")


def make_frame(kind: int, data: bytes) -> bytes:
    return bytes([128 | kind, 128 | len(data)]) + bytes(4) + data


@pytest.mark.parametrize("frame", [make_frame(9, b"x"), make_frame(1, b'{"ack": 0}'), make_frame(1, b"{}")])
def test_whoever_floods_a_websocket_is_disconnected(frame: bytes):
    with serve() as view, connect(view, UPGRADE) as peer:
        with suppress(ConnectionError):
            peer.sendall(frame * 3000)
        read_all(peer)
        assert ask(view).endswith(b"ok\n")


def test_settings_are_switched_in_bounded_numbers():
    with serve() as view:

        async def switch() -> str:
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(f"ws://127.0.0.1:{view.port}/ws") as ws,
            ):
                for _ in range(300):
                    await ws.send_json({"toggle": "boxes"})
                while "error" not in (message := await ws.receive_json(timeout=WAIT_S)):
                    pass
                return message["error"]

        assert asyncio.run(switch()) == "too many changes at once; try again"


def watch_silently(view: BrowserView) -> socket.socket:
    peer = connect(view, UPGRADE)
    assert peer.recv(65536).startswith(b"HTTP/1.1 101 ")
    return peer


def test_a_page_that_answers_no_ping_is_disconnected_and_another_one_is_not(monkeypatch):
    monkeypatch.setattr("posetrack.live.routes._HEARTBEAT_S", 0.3)

    with serve() as view, watch_silently(view) as silent:

        async def watch() -> None:
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(f"ws://127.0.0.1:{view.port}/ws") as ws,
            ):
                end_s = time.monotonic() + 1.5
                while time.monotonic() < end_s:
                    assert "state" in await ws.receive_json(timeout=WAIT_S)

        silent.settimeout(WAIT_S)
        begin_s = time.monotonic()
        read_all(silent)
        assert time.monotonic() - begin_s < WAIT_S / 2
        asyncio.run(watch())


def test_idle_viewers_make_room_for_a_real_one(monkeypatch):
    monkeypatch.setattr("posetrack.live.audience._IDLE_S", 0.2)
    with serve(ViewOptions(max_viewers=4)) as view, ExitStack() as stack:
        silent = [stack.enter_context(watch_silently(view)) for _ in range(4)]
        time.sleep(0.3)

        async def watch() -> None:
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(f"ws://127.0.0.1:{view.port}/ws") as ws,
            ):
                await ws.send_json({"watch": True})
                assert "state" in await ws.receive_json(timeout=WAIT_S)

        asyncio.run(watch())
        peer = silent[0]
        peer.settimeout(WAIT_S)
        read_all(peer)  # It ends: the first who came has gone.


class Transport:
    """A transport, as far as the audience can tell."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_aborted = False

    def get_extra_info(self, name: str) -> tuple[str, int]:
        assert name == "peername"
        return self.address, 1

    def abort(self) -> None:
        self.is_aborted = True


def fill(audience: Audience, *addresses: str) -> list[Transport]:
    transports = [Transport(address) for address in addresses]
    for transport in transports:
        viewer = audience.admit(transport)
        assert viewer is not None
        viewer.settle()
    return transports


def test_attentive_viewers_keep_their_places():
    audience = Audience(3)
    transports = fill(audience, "127.0.0.1", "127.0.0.1", "127.0.0.1")
    assert audience.admit(Transport("192.0.2.1")) is None
    assert audience.admit(Transport("127.0.0.1")) is None
    assert not any(transport.is_aborted for transport in transports)
    assert len(audience) == 3


def test_the_longest_idle_viewer_goes_first(monkeypatch):
    audience = Audience(3)
    transports = fill(audience, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    viewers = list(audience)
    viewers[1].owe()
    viewers[0].owe()
    assert audience.admit(Transport("192.0.2.4")) is None, "they may still answer"
    monkeypatch.setattr("posetrack.live.audience._IDLE_S", 0.0)
    assert audience.admit(Transport("192.0.2.4")) is not None
    assert [transport.is_aborted for transport in transports] == [False, True, False]
    audience.leave(viewers[1])  # its task ends later
    assert len(audience) == 3


def test_streams_leave_half_of_the_places_to_pages(monkeypatch):
    audience = Audience(4)
    for _ in range(2):
        viewer = audience.admit(Transport("127.0.0.1"), is_stream=True)
        viewer.settle()
    assert audience.admit(Transport("127.0.0.1"), is_stream=True) is None
    pages = [audience.admit(Transport("127.0.0.1")) for _ in range(2)]
    monkeypatch.setattr("posetrack.live.audience._IDLE_S", 0.0)
    # Idle pages make room for pages, and not for more streams than there may be.
    assert audience.admit(Transport("127.0.0.1"), is_stream=True) is None
    assert audience.admit(Transport("127.0.0.1")) is not None
    assert pages[0].transport.is_aborted
    viewer.owe()
    assert audience.admit(Transport("127.0.0.1"), is_stream=True) is not None
    assert viewer.transport.is_aborted


def test_an_address_with_many_viewers_gives_one_to_another_address():
    audience = Audience(4)
    transports = fill(audience, "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2")
    assert audience.admit(Transport("192.0.2.1")) is None
    assert audience.admit(Transport("192.0.2.3")) is not None
    assert [transport.is_aborted for transport in transports] == [False, False, True, False]


def test_peers_are_addresses_and_networks_of_ipv6():
    assert find_peer("192.0.2.1") == "192.0.2.1"
    assert find_peer("::ffff:192.0.2.1") == "192.0.2.1"
    assert find_peer("2001:db8::1:2:3:4") == find_peer("2001:db8::5:6:7:8")
    assert find_peer("2001:db8:0:1::1") != find_peer("2001:db8:0:2::1")
    assert find_peer("fe80::1%eth0") == find_peer("fe80::2")
    assert find_peer("::1") == "::1"


def test_a_budget_grows_with_time(monkeypatch):
    now_s = 0.0
    monkeypatch.setattr(gate_module.time, "monotonic", lambda: now_s)
    budget = Budget(10, 2)
    assert budget.take(10)
    assert not budget.take(1)
    now_s = 1.0
    assert not budget.take(3)
    assert budget.take(2)
    now_s = 100.0
    assert budget.take(10)
    assert not budget.take(0.1)


def test_a_log_is_one_line_a_kind_and_minute(caplog, monkeypatch):
    logger = logging.getLogger("posetrack.test.calm")
    now_s = 0.0
    monkeypatch.setattr("posetrack.web.calm_log.time.monotonic", lambda: now_s)
    with calm(logger.name):
        for number in range(5):
            try:
                raise ValueError("a\nb")
            except ValueError:
                logger.exception("one %d\ntwo", number)
            logger.warning("another")
        now_s = 61.0
        logger.error("one %d\ntwo", 9)
    logger.warning("another")
    assert caplog.messages == ["one 0 two: ValueError: a b", "another", "one 9 two (4 more since)", "another"]
    assert caplog.records[0].exc_info is None


def test_records_of_other_threads_pass():
    record = logging.makeLogRecord({"msg": "a\nb", "thread": -1})
    calmed = CalmFilter()
    assert calmed.filter(record)
    assert calmed.filter(record)
    assert record.getMessage() == "a\nb"
