"""Small servers of live video on this machine, which tests can cut off and bring back."""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Self

import av
import cv2
import numpy as np


class StreamServer(ABC):
    """Serves each connection on a thread of its own, on a free port of this machine; a context manager.

    Args:
        fps: Images a second.
    """

    scheme = "http"

    def __init__(self, fps: float = 50.0) -> None:
        self.fps = fps
        self.num_connections = 0
        self.port = 0
        self._running = Event()
        self._threads: list[Thread] = []
        self._sockets: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/live"

    def start(self) -> Self:
        """Serve, the second time on the same port."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        self._running.set()
        self._start_thread(self._accept)
        return self

    def cut(self) -> None:
        """Cut every connection and take no more."""
        self._running.clear()
        for one in (self._listening, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        self._threads, self._sockets = [], []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.cut()

    def _start_thread(self, target, *args) -> None:
        thread = Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while self._running.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.num_connections += 1
            self._sockets.append(connection)
            self._start_thread(self._serve_one, connection)

    def _serve_one(self, connection: socket.socket) -> None:
        with suppress(OSError):
            self.serve(connection)
        connection.close()

    def pace(self) -> None:
        time.sleep(1 / self.fps)

    @abstractmethod
    def serve(self, connection: socket.socket) -> None:
        """Talk to one client until it goes (OSError) or `self._running` is clear."""


class SilentServer(StreamServer):
    """Accepts, and says nothing.

    Args:
        scheme: Of its URL.
    """

    def __init__(self, scheme: str) -> None:
        super().__init__()
        self.scheme = scheme

    def serve(self, connection: socket.socket) -> None:
        while connection.recv(4096):
            pass


class MpegTsServer(StreamServer):
    """An endless MPEG transport stream over HTTP, made from a clip.

    Args:
        clip: Its H.264 packets are sent over and over.
        fps: Images a second.
    """

    def __init__(self, clip: Path, fps: float = 50.0) -> None:
        super().__init__(fps)
        self._clip = clip

    def serve(self, connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
        with av.open(_SocketFile(connection), "w", format="mpegts") as target:
            stream = None
            for turn in count():
                with av.open(str(self._clip)) as source:
                    video = source.streams.video[0]
                    stream = stream or target.add_stream_from_template(video)
                    for packet in source.demux(video):
                        if packet.dts is None or packet.pts is None:
                            continue
                        if not self._running.is_set():
                            return
                        packet.pts += turn * video.duration
                        packet.dts += turn * video.duration
                        packet.stream = stream
                        target.mux(packet)
                        self.pace()


class _SocketFile:
    """What PyAV writes to."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> int:
        with suppress(OSError):
            self._connection.sendall(data)
        return len(data)


class MjpegServer(StreamServer):
    """JPEG images as parts of one HTTP answer, the way that IP cameras send them.

    Attributes:
        size_wh: Of the images; may change while it serves.
        last: How many images a connection gets.
    """

    size_wh = (64, 48)
    last: int | None = None

    def serve(self, connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(
            b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        )
        for index in count():
            if not self._running.is_set() or index == self.last:
                return
            width, height = self.size_wh
            is_made, jpeg = cv2.imencode(".jpg", np.full((height, width, 3), index % 256, np.uint8))
            assert is_made
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
            connection.sendall(head + jpeg.tobytes() + b"\r\n")
            self.pace()
