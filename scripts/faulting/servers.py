"""Servers that are slow, silent or lie."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Answer = Callable[[socket.socket], None]

_STEP_S = 0.05


@contextmanager
def serve(answer: Answer) -> Iterator[int]:
    """Answer every connection on a thread of its own; yields the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection = listening.accept()[0]
                connections.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            answer(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()
        for connection in connections:
            connection.close()


def stay_silent(connection: socket.socket) -> None:
    """Take the request and never answer."""
    while connection.recv(4096):
        pass


def send_slowly(data: bytes, bytes_per_s: int) -> Answer:
    """Send a file at a slow rate, as HTTP."""

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(_make_head(len(data)))
        step = max(1, round(bytes_per_s * _STEP_S))
        for place in range(0, len(data), step):
            connection.sendall(data[place : place + step])
            time.sleep(_STEP_S)

    return answer


def cut_off(data: bytes, fraction: float) -> Answer:
    """Promise a whole file, send a part of it and close."""

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(_make_head(len(data)) + data[: round(len(data) * fraction)])

    return answer


def say(text: bytes) -> Answer:
    """Answer with a fixed text, whatever is asked."""

    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text)

    return answer


LIES = {
    "no HTTP": b"220 mail.example.org ESMTP\r\n",
    "nothing": b"",
    "redirect to a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
    "redirect to nonsense": b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
    "redirect to itself": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "length of nonsense": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nx",
    "huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx",
    "chunks of nonsense": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    "page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<h1>Login</h1>\n",
    "error": b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}
"""Answers that are no file, by what they are."""


def read_bytes(path: Path) -> bytes:
    """The bytes to serve."""
    return path.read_bytes()


def _make_head(size: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {size}\r\n\r\n".encode()
