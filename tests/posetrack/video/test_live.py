"""Live sources: the newest frame, and what happens when a camera, a stream or a file is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import Queue
from threading import Event

import cv2
import numpy as np
import pytest

from posetrack.errors import SilentSourceError, VideoError
from posetrack.video import capture, live
from posetrack.video.capture import Backlog, Pace, capture_camera, capture_file
from posetrack.video.live import LiveSource, open_live

PATIENCE_S = 20.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does; generous, for busy machines."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def image(value: int = 0, size_wh: tuple[int, int] = (8, 6)) -> np.ndarray:
    return np.full((size_wh[1], size_wh[0], 3), value, np.uint8)


class Script:
    """A fake source: plays what it is told, image by image.

    An image is given out, None ends the connection, an exception is raised.
    """

    def __init__(self) -> None:
        self.steps: Queue[np.ndarray | BaseException | None] = Queue()
        self.num_connections = 0
        self.num_closed = 0

    def __call__(self, stop: Event) -> Iterator[np.ndarray]:
        self.num_connections += 1
        try:
            while not stop.is_set():
                if self.steps.empty():
                    stop.wait(0.002)
                    continue
                step = self.steps.get()
                if step is None:
                    return
                if isinstance(step, BaseException):
                    raise step
                yield step
        finally:
            self.num_closed += 1

    def play(self, *steps: np.ndarray | BaseException | None) -> None:
        for step in steps:
            self.steps.put(step)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(live, "_FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(live, "_LONGEST_RETRY_S", 0.04)


@pytest.fixture
def script() -> Script:
    return Script()


def test_a_slow_reader_gets_the_newest_frame_and_the_rest_counts_as_dropped(script):
    with LiveSource(script, "cam") as source:
        assert source.status.state == "connecting"
        script.play(image(1))
        first = source.read(PATIENCE_S)
        script.play(*[image(value) for value in range(2, 7)])
        wait_until(lambda: source.status.num_captured == 6)
        newest = source.read(PATIENCE_S)
        assert (first.index, first.image[0, 0, 0]) == (0, 1)
        assert (newest.index, newest.image[0, 0, 0]) == (5, 6)
        assert source.read(0) is None, "nobody gets a frame twice"
        assert (source.status.state, source.status.num_dropped) == ("live", 4)
        assert 0 <= first.time_s <= newest.time_s <= time.monotonic() - source.started_s


def test_frames_end_where_a_source_ends_that_does_not_come_back(script):
    script.play(image(3), None)
    with LiveSource(script, "clip", comes_back=False) as source:
        wait_until(lambda: source.status.state == "ended")
        assert [frame.image[0, 0, 0] for frame in source] == [3], "the last one can still be read"
        assert source.read() is None
        assert script.num_connections == script.num_closed == 1


def test_a_failure_of_a_source_that_does_not_come_back_reaches_the_reader(script):
    script.play(image(), VideoError("clip: damaged"))
    with LiveSource(script, "clip", comes_back=False) as source:
        wait_until(lambda: source.status.state == "ended")
        assert source.read(0).index == 0
        with pytest.raises(VideoError, match="damaged"):
            source.read()


@pytest.mark.usefixtures("short_waits")
def test_a_source_that_is_lost_comes_back_and_its_frames_go_on(script, caplog):
    with LiveSource(script, "cam") as source:
        script.play(image(1))
        first = source.read(PATIENCE_S)
        gone = VideoError("cam: gone")
        script.play(gone, gone, gone, image(2))
        second = source.read(PATIENCE_S)
        assert (source.status.state, source.status.num_reconnects, source.status.message) == ("live", 1, "")
        assert (second.index, second.image[0, 0, 0]) == (1, 2)
        assert second.time_s > first.time_s
        script.play(None)
        wait_until(lambda: source.status.state == "lost")
        assert source.status.message == "the stream ended"
        assert source.read(0.01) is None
        script.play(image(3))
        assert source.read(PATIENCE_S).index == 2
        assert source.status.num_reconnects == 2
    assert script.num_connections == script.num_closed == 5
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "cam: gone; connecting again",
        "cam: it is back",
        "cam: the stream ended; connecting again",
        "cam: it is back",
    ]


def test_waits_between_connections_double_and_start_afresh_after_a_image(monkeypatch):
    waits: list[float] = []
    results = iter([True, False, False, False, True, False])

    def connect(stop: Event):
        if next(results):
            yield image()
        raise VideoError("gone")

    source = LiveSource.__new__(LiveSource)
    monkeypatch.setattr(live.Thread, "start", lambda thread: None)
    source.__init__(connect, "cam")
    monkeypatch.setattr(live.Thread, "join", lambda thread, timeout: None)

    class Stop(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            if len(waits) == 6:
                self.set()
            return self.is_set()

    source._stop = Stop()
    monkeypatch.setattr(live, "_LONGEST_RETRY_S", 1.6)
    source._capture()
    assert waits == [0.5, 1.0, 1.6, 1.6, 0.5, 1.0]


def test_a_first_connection_that_fails_is_one_error(script):
    script.play(VideoError("cam: not there"))
    with LiveSource(script, "cam") as source:
        with pytest.raises(VideoError, match=r"^cam: not there$"):
            source.wait_for_first()
        assert source.status.num_reconnects == 0


def test_a_first_image_that_does_not_come_is_one_error(script):
    with (
        LiveSource(script, "cam", timeout_s=0.05) as source,
        pytest.raises(SilentSourceError, match=r"cam: no data for 0\.05 s; check that it is there and sending"),
    ):
        source.wait_for_first()


def test_a_bug_in_capturing_reaches_the_reader(script):
    script.play(image(), ZeroDivisionError("a bug"))
    with LiveSource(script, "cam") as source:
        assert source.wait_for_first().index == 0
        wait_until(lambda: source.status.state == "ended")
        assert source.read().index == 0
        with pytest.raises(ZeroDivisionError):
            source.read()
        with pytest.raises(ZeroDivisionError):
            source.wait_for_first()


def test_closing_wakes_a_reader_and_leaves_a_source_that_is_stuck(monkeypatch, caplog):
    monkeypatch.setattr(live, "_JOIN_S", 0.05)
    release = Event()

    def stuck(stop: Event):
        release.wait(PATIENCE_S)
        yield image()

    source = LiveSource(stuck, "cam")
    read: list[object] = []
    reader = threading.Thread(target=lambda: read.append(source.read()))
    reader.start()
    source.close()
    source.close()
    reader.join(PATIENCE_S)
    assert read == [None]
    release.set()
    wait_until(lambda: not source._thread.is_alive())
    assert (source.status.state, source.status.num_captured) == ("ended", 0)
    assert not caplog.records, "to be closed is no loss"


def test_a_change_of_resolution_is_a_change_of_the_frames(script):
    with LiveSource(script, "cam") as source:
        script.play(image())
        assert source.read(PATIENCE_S).size_wh == (8, 6)
        script.play(image(0, (16, 10)))
        assert source.read(PATIENCE_S).size_wh == (16, 10)
        assert source.status.num_reconnects == 0


# Files.


def test_a_file_plays_at_its_own_pace(make_video, shade):
    path = make_video("clip.mp4", num_frames=10)
    start = time.monotonic()
    with open_live(str(path)) as source:
        shades = [shade(frame.image) for frame in source]
    assert time.monotonic() - start >= 9 / 25 - 0.02
    assert shades == sorted(shades)
    assert shades[-1] == 9


def test_a_file_plays_faster_when_told_so(make_video):
    path = make_video("clip.mp4", num_frames=38)
    start = time.monotonic()
    images = list(capture_file(str(path), Event(), speed=1000))
    assert len(images) == 38
    assert time.monotonic() - start < 37 / 25


def test_a_file_can_be_played_over_and_over(make_video, shade):
    path = make_video("clip.mp4", num_frames=4)
    images = capture_file(str(path), Event(), loop=True, speed=100)
    assert [shade(next(images)) for _ in range(10)] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    images.close()


@pytest.mark.usefixtures("short_waits")
def test_a_looped_file_that_goes_away_is_waited_for(make_video):
    path = make_video("clip.mp4", num_frames=4)
    hidden = path.with_name("hidden.mp4")
    with open_live(str(path), loop=True, speed=4) as source:
        path.rename(hidden)
        wait_until(lambda: source.status.state == "lost")
        assert source.status.message == "no such file or folder; check the path"
        hidden.rename(path)
        wait_until(lambda: source.status.num_reconnects == 1)


def test_waiting_for_a_time_stamp_ends_when_capturing_does(make_video):
    path = make_video("clip.mp4", pts=[0, 200], num_frames=2)
    stop = Event()
    images = capture_file(str(path), stop)
    next(images)
    threading.Timer(0.05, stop.set).start()
    start = time.monotonic()
    assert list(images) == []
    assert time.monotonic() - start < 4


def test_a_jump_of_time_stamps_is_not_waited_for():
    pace, start = Pace(1.0, Event()), time.monotonic()
    for time_s in (5.0, 5.02, 4000.0, 4000.02):
        pace.wait(time_s)
    assert 0.03 < time.monotonic() - start < 5


def test_mirrored_images_are_flipped_left_to_right(make_video):
    path = make_video("clip.mp4", num_frames=2)
    with open_live(str(path), mirror=True) as source:
        image = source.wait_for_first().image
    assert image.flags.c_contiguous
    red = image.astype(int)[3, :, 0] - image.astype(int)[3, :, 2]
    assert red[-4:].min() > 80
    assert abs(red[:40]).max() < 20


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nope.mp4", "nope.mp4: no such camera or file; give a camera's number"),
        ("99999999999", "no such camera; their numbers are 0, 1, 2"),
        ("http://127.0.0.1:9/live", "Connection refused; check the address and the network"),
        ("rtsp://127.0.0.1:9/live", "Connection refused; check the address and the network"),
    ],
)
def test_what_is_not_there_is_one_error(source, message):
    with pytest.raises(VideoError, match=message) as caught:
        open_live(source)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_video_is_one_error(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_bytes(b"not a video at all" * 100)
    with pytest.raises(VideoError, match=r"notes\.mp4: not a video"):
        open_live(str(path))


# Cameras.


class FakeCamera:
    """Stands for cv2.VideoCapture."""

    plugged_in = True
    images_left = 0
    opened: list[object] = []  # noqa: RUF012, reset by the fixture
    num_released = 0

    def __init__(self, source: object) -> None:
        FakeCamera.opened.append(source)

    def isOpened(self) -> bool:
        return FakeCamera.plugged_in

    def set(self, option: int, value: float) -> None:
        assert (option, value) == (cv2.CAP_PROP_BUFFERSIZE, 1)

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.005)
        if FakeCamera.images_left == 0:
            return False, None
        FakeCamera.images_left -= 1
        blue_first = image()
        blue_first[..., 0] = 250
        return True, blue_first

    def release(self) -> None:
        FakeCamera.num_released += 1


@pytest.fixture
def camera(monkeypatch) -> type[FakeCamera]:
    monkeypatch.setattr(capture.cv2, "VideoCapture", FakeCamera)
    FakeCamera.plugged_in, FakeCamera.images_left, FakeCamera.num_released = True, 3, 0
    FakeCamera.opened = []
    return FakeCamera


def test_a_camera_gives_rgb_and_is_released(camera):
    images = capture_camera("2")
    assert next(images)[0, 0].tolist() == [0, 0, 250]
    images.close()
    assert camera.opened == [2]
    assert camera.num_released == 1
    next(capture_camera("/dev/video5"))
    assert camera.opened == [2, "/dev/video5"]


def test_a_camera_that_cannot_be_opened_is_one_error(camera):
    camera.plugged_in = False
    with pytest.raises(VideoError, match="0: the camera cannot be opened; is it plugged in"):
        open_live("0")
    assert camera.num_released == len(camera.opened) == 1


@pytest.mark.usefixtures("short_waits")
def test_a_camera_that_dies_is_waited_for(camera):
    with open_live("0") as source:
        wait_until(lambda: source.status.state == "lost")
        assert source.status.message == "the camera gives no image any more"
        camera.plugged_in = False
        wait_until(lambda: source.status.message.startswith("the camera cannot be opened"))
        camera.images_left, camera.plugged_in = 1000, True
        wait_until(lambda: source.status.num_reconnects == 1)
        while (frame := source.read(PATIENCE_S)).index < 3:
            pass
        assert frame.time_s > 0
    assert camera.num_released == len(camera.opened)


# Streams that are decoded too slowly.


def feed(backlog: Backlog, packets: list[tuple[float, float, bool]]) -> list[bool]:
    """Packets as (seconds waited for it, seconds of work after it, key frame); which were skipped."""
    now_s, skipped = 100.0, []
    for wait_s, work_s, is_key in packets:
        now_s += wait_s
        skipped.append(backlog.should_skip(wait_s, now_s, is_key=is_key))
        now_s += 0 if skipped[-1] else work_s
    return skipped


def test_nothing_is_skipped_of_a_stream_that_is_waited_for():
    assert not any(feed(Backlog(), [(0.03, 0.01, i % 50 == 0) for i in range(500)]))
    assert not any(feed(Backlog(), [(0.006, 0.01, i % 50 == 0) for i in range(500)])), "60 a second"
    burst = [(0.0, 0.005, i == 0) for i in range(150)]
    assert not any(feed(Backlog(), burst)), "less than a second of packets that were read beforehand"


def test_a_backlog_is_skipped_up_to_a_key_frame():
    behind = [(0.0, 0.05, False)] * 30 + [(0.0, 0.05, True)] + [(0.0, 0.05, False)] * 30
    caught_up = [(0.04, 0.0, False)] * 10
    again = [(0.04, 0.01, True)] + [(0.03, 0.01, False)] * 100
    skipped = feed(Backlog(), behind + caught_up + again)
    first = skipped.index(True)
    assert first * 0.05 == pytest.approx(1.0, abs=0.1)
    key = len(behind + caught_up)
    assert skipped[first:key] == [True] * (key - first), "a key frame among the waiting ones is old, too"
    assert not any(skipped[key:])


def test_skipping_ends_where_no_key_frame_comes():
    skipped = feed(Backlog(), [(0.0, 0.1, False)] * 12 + [(0.05, 0.01, False)] * 300)
    assert skipped.index(True) <= 12
    assert not skipped[-1]
