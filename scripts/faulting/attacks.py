"""Attackers of a live session's port, who know no token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_MASK = b"\0\0\0\0"

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
Attack = Callable[[Connect], Awaitable[None]]


def make_frame(kind: int, data: bytes) -> bytes:
    """A frame of a WebSocket client; its mask changes nothing."""
    size = len(data)
    length = bytes([128 | size]) if size < 126 else bytes([254]) + size.to_bytes(2, "big")
    return bytes([128 | kind]) + length + _MASK + data


async def send_halves(connect: Connect) -> None:
    """Begin a request and wait."""
    _, writer = await connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
    await asyncio.sleep(60)


async def connect_only(connect: Connect) -> None:
    """Connect and leave at once."""
    _, writer = await connect()
    writer.transport.abort()


async def send_nonsense(connect: Connect) -> None:
    """Send what is no HTTP."""
    reader, writer = await connect()
    writer.write(b"\x16\x03\x01 \0nonsense\r\n\r\n" if time.monotonic_ns() % 2 else b"GET / HTTP/9.9\r\n\r\n")
    await reader.read(4096)


async def send_headers(connect: Connect) -> None:
    """Send headers without an end."""
    _, writer = await connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    for number in range(100_000):
        writer.write(b"X-%d: %s\r\n" % (number, b"x" * 1000))
        await writer.drain()


async def send_body(connect: Connect) -> None:
    """Send a body without an end."""
    _, writer = await connect()
    writer.write(b"POST /state.json HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def drip(connect: Connect) -> None:
    """Send a request byte by byte."""
    _, writer = await connect()
    for byte in b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.5)


async def ask_without_reading(connect: Connect) -> None:
    """Ask for a thousand pages and read none."""
    _, writer = await connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(1000):
        writer.write(b"GET /app.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await writer.drain()
    await asyncio.sleep(30)


async def stay_silent(connect: Connect) -> None:
    """Open a WebSocket and say nothing, not even pong."""
    reader, writer = await connect()
    writer.write(_UPGRADE)
    while await reader.read(65536):
        pass


async def flood_pings(connect: Connect) -> None:
    """Ping without a pause."""
    await _flood(connect, make_frame(9, b"x"))


async def flood_commands(connect: Connect) -> None:
    """Switch boxes on and off without a pause."""
    await _flood(connect, make_frame(1, b'{"toggle": "boxes"}'))


async def flood_mistakes(connect: Connect) -> None:
    """Send commands that are none, and read no answer."""
    _, writer = await connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(_UPGRADE)
    while True:
        writer.write(make_frame(1, b"{}") * 100)
        await writer.drain()
        await asyncio.sleep(0.01)


async def send_giant(connect: Connect) -> None:
    """Announce a frame of 100 MB, and send it."""
    _, writer = await connect()
    writer.write(_UPGRADE + bytes([129, 255]) + (100_000_000).to_bytes(8, "big") + _MASK)
    for _ in range(1600):
        writer.write(bytes(65536))
        await writer.drain()


async def _flood(connect: Connect, frame: bytes) -> None:
    reader, writer = await connect()
    writer.write(_UPGRADE)
    drain = asyncio.create_task(reader.read(-1))
    try:
        while not drain.done():
            writer.write(frame * 100)
            await writer.drain()
            await asyncio.sleep(0.01)
    finally:
        drain.cancel()


ATTACKS: dict[str, tuple[Attack, int]] = {
    "halves": (send_halves, 260),
    "connects": (connect_only, 8),
    "nonsense": (send_nonsense, 8),
    "headers": (send_headers, 8),
    "body": (send_body, 8),
    "drip": (drip, 100),
    "unread": (ask_without_reading, 40),
    "silent": (stay_silent, 64),
    "pings": (flood_pings, 4),
    "commands": (flood_commands, 4),
    "mistakes": (flood_mistakes, 4),
    "giant": (send_giant, 4),
}
"""Attacks by name, and how many attackers each has."""


async def attack(name: str, port: int) -> None:
    """Let the attackers of a name at a port, again and again, until cancelled."""
    act, num_attackers = ATTACKS[name]

    async def act_once() -> None:
        writers: list[asyncio.StreamWriter] = []

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            pair = await asyncio.open_connection("127.0.0.1", port)
            writers.append(pair[1])
            return pair

        try:
            await act(connect)
        except (OSError, EOFError):
            await asyncio.sleep(0.05)
        finally:
            for writer in writers:
                writer.transport.abort()

    async def repeat() -> None:
        while True:
            await act_once()

    async with asyncio.TaskGroup() as group:
        for _ in range(num_attackers):
            group.create_task(repeat())
