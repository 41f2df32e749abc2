"""Network streams from servers on this machine: cut off, brought back, silent, damaged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.rtsp import RtspServer
from servers.streams import MjpegServer, MpegTsServer, SilentServer, StreamServer

from posetrack.errors import VideoError
from posetrack.video import capture, live
from posetrack.video.live import LiveSource, open_live

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
PATIENCE_S = 20.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(live, "_FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(live, "_LONGEST_RETRY_S", 0.1)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)


def read_frames(source: LiveSource, count: int) -> list:
    frames = [source.read(PATIENCE_S) for _ in range(count)]
    assert None not in frames
    return frames


@pytest.mark.parametrize(
    ("make_server", "size_wh"),
    [
        (lambda: MpegTsServer(CLIP), (640, 272)),
        (MjpegServer, (64, 48)),
        (RtspServer, (160, 120)),
    ],
    ids=["http-mpegts", "http-mjpeg", "rtsp"],
)
def test_a_stream_that_is_cut_off_comes_back(make_server: Callable[[], StreamServer], size_wh):
    with make_server() as server, open_live(server.url) as source:
        before = read_frames(source, 5)
        server.cut()
        wait_until(lambda: source.status.state == "lost")
        assert source.status.message
        source.read(0)
        server.start()
        after = read_frames(source, 5)
        assert (source.status.state, source.status.num_reconnects) == ("live", 1)
        assert server.num_connections == 2
        frames = before + after
        assert all(frame.size_wh == size_wh for frame in frames)
        indexes, times = [frame.index for frame in frames], [frame.time_s for frame in frames]
        assert indexes == sorted(set(indexes))
        assert times == sorted(set(times))


def bar_fraction(image) -> float:
    """How far the red bar of `encode_images` reaches, which tells how far the stream has come."""
    row = image[len(image) // 2].astype(int)
    return float((row[:, 0] - row[:, 2] > 80).mean())


def test_the_first_image_is_there_before_a_second_key_frame():
    # 2 seconds from one key frame to the next.
    with RtspServer(num_frames=100, key_every=100) as server, open_live(server.url) as source:
        assert bar_fraction(source.wait_for_first().image) < 0.7


def test_a_stream_entered_between_two_key_frames_starts_at_the_next():
    with RtspServer(num_frames=50, key_every=25, first=10) as server, open_live(server.url) as source:
        assert bar_fraction(source.wait_for_first().image) == pytest.approx(0.5, abs=0.1)
        assert source.status.num_reconnects == 0


def test_damaged_packets_are_skipped():
    server = RtspServer(num_frames=50, key_every=25)
    for nals in server._images[20:25]:
        nals[:] = [bytes([nal[0]]) + b"\xff" * 40 for nal in nals]
    with server, open_live(server.url) as source:
        wait_until(lambda: source.status.num_captured > 100)
        assert source.status.num_reconnects == 0


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_server_that_says_nothing_is_one_error(scheme, monkeypatch):
    monkeypatch.setattr(capture, "STREAM_OPEN_S", 0.3)
    with (
        SilentServer(scheme) as server,
        pytest.raises(VideoError, match=f"{server.url}: no answer within 0.3 s; check the address"),
    ):
        open_live(server.url)


def test_a_stream_that_falls_silent_is_lost(monkeypatch):
    monkeypatch.setattr(capture, "STREAM_SILENCE_S", 0.3)
    with MjpegServer() as server, open_live(server.url) as source:
        read_frames(source, 3)
        server.fps = 0.4
        wait_until(lambda: source.status.state == "lost")
        assert source.status.message == "the stream fell silent"
        server.fps = 50
        wait_until(lambda: source.status.num_reconnects == 1)


def test_a_stream_may_change_its_resolution():
    with MjpegServer() as server, open_live(server.url) as source:
        assert source.read(PATIENCE_S).size_wh == (64, 48)
        server.size_wh = (96, 64)
        wait_until(lambda: source.read(PATIENCE_S).size_wh == (96, 64))
        assert source.status.num_reconnects == 0


def test_a_page_is_no_stream():
    class Page(StreamServer):
        def serve(self, connection) -> None:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>hello</html>" * 50)

    with Page() as server, pytest.raises(VideoError) as caught:
        open_live(server.url)
    assert str(caught.value).startswith(server.url)
    assert "\n" not in str(caught.value)
