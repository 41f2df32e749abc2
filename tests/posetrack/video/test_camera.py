"""A camera as a source of frames, with a capture that stands in for the device."""

import itertools
import threading
import time

import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.video import live
from posetrack.video.base import Selection
from posetrack.video.camera import Camera


class FakeCapture:
    """Gives an image each few milliseconds, as long as it is asked; counts those that it gave."""

    def __init__(self, pause_s: float = 0.005) -> None:
        self.pause_s = pause_s
        self.asked: list[str] = []
        self.closed = threading.Event()

    def __call__(self, source: str):
        self.asked.append(source)
        try:
            for i in range(10_000):
                time.sleep(self.pause_s)
                yield np.full((6, 8, 3), i % 256, np.uint8)
        finally:
            self.closed.set()


@pytest.fixture
def device(monkeypatch) -> FakeCapture:
    capture = FakeCapture()
    monkeypatch.setattr(live, "capture_camera", capture)
    return capture


def test_frames_are_the_newest_with_the_time_of_their_capture(device):
    with Camera(2, Selection()) as camera:
        assert (camera.info.width, camera.info.height, camera.info.name) == (8, 6, "camera-2")
        assert camera.info.num_frames is None
        assert camera.is_live
        frames = iter(camera)
        first = next(frames)
        time.sleep(0.1)
        second = next(frames)
    assert device.asked == ["2"]
    assert first.time_s == 0.0
    assert second.time_s >= 0.05
    assert second.index > first.index + 1, "images that nobody waited for were dropped"
    assert first.image[0, 0, 0] == first.index
    assert device.closed.wait(20)


def test_a_part_of_it_ends(device):
    with Camera(0, Selection(start_s=0.05, end_s=0.2, every=2)) as camera:
        frames = list(camera)
    times_s = [frame.time_s for frame in frames]
    assert frames
    assert times_s[0] >= 0.05
    assert times_s[-1] < 0.2
    assert all(b.index - a.index >= 2 for a, b in itertools.pairwise(frames))


def test_closing_it_lets_go_of_whoever_waits(device):
    device.pause_s = 0.0
    camera = Camera(0, Selection())
    frames = iter(camera)
    next(frames)
    device.pause_s = 5.0  # The camera falls silent.
    ended = threading.Event()

    def read():
        for _ in frames:
            pass
        ended.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    time.sleep(0.05)
    camera.close()
    assert ended.wait(20)


def test_a_camera_that_is_not_there_is_one_line(monkeypatch):
    def refuse(source):
        raise VideoError(f"{source}: the camera cannot be opened")
        yield

    monkeypatch.setattr(live, "capture_camera", refuse)
    with pytest.raises(VideoError, match="7: the camera cannot be opened"):
        Camera(7, Selection())
