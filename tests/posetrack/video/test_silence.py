"""Sources that give no data: pipes and servers of this machine."""

import os
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from servers.streams import SilentServer

from posetrack.errors import SilentSourceError, VideoError
from posetrack.run.sources import open_source
from posetrack.video.source import open_video

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@pytest.fixture
def pipe(tmp_path: Path):
    path = tmp_path / "pipe.mkv"
    os.mkfifo(path)
    # Read and write: opening waits for nobody, and the end does not come while it is open.
    descriptor = os.open(path, os.O_RDWR)
    yield path, descriptor
    os.close(descriptor)


@needs_pipes
def test_a_pipe_that_nobody_writes_to_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "pipe.mkv"
    os.mkfifo(path)
    with pytest.raises(SilentSourceError, match=r"pipe\.mkv: no data for 0\.3 s; check that it is there"):
        open_video(path, timeout_s=0.3)
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))  # The thread that waits for a writer ends.


@needs_pipes
def test_a_pipe_that_falls_silent_ends_after_its_frames(make_video, pipe) -> None:
    path, descriptor = pipe
    content = make_video("clip.mkv", num_frames=12, codec="mjpeg", pix_fmt="yuvj420p", options={}).read_bytes()
    feeder = threading.Thread(target=os.write, args=(descriptor, content))
    feeder.start()
    seen = []
    with open_video(path, timeout_s=1.5) as video, pytest.raises(SilentSourceError, match=r"for 1\.5 s"):
        seen.extend(frame.index for frame in video)
    feeder.join(20)
    assert len(seen) >= 8
    assert seen == list(range(len(seen)))


@needs_pipes
def test_closing_waits_for_no_reader(make_video, pipe) -> None:
    path, descriptor = pipe
    content = make_video("clip.mkv", num_frames=12, codec="mjpeg", pix_fmt="yuvj420p", options={}).read_bytes()
    threading.Thread(target=os.write, args=(descriptor, content)).start()
    video = open_video(path)
    frames = iter(video)
    next(frames)
    reader = threading.Thread(target=lambda: list(frames), daemon=True)
    reader.start()
    time.sleep(0.5)
    start_s = time.monotonic()
    video.close()
    assert time.monotonic() - start_s < 10


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with SilentServer("http") as server, pytest.raises(SilentSourceError, match=r"no data for 0\.5 s"):
        open_video(server.url, timeout_s=0.5)


def test_only_the_time_without_data_counts(make_video) -> None:
    with open_video(make_video("clip.mp4", num_frames=6), timeout_s=0.5) as video:
        for count, _ in enumerate(video):
            time.sleep(0.6 if count == 1 else 0)
    assert count == 5


def test_arrays_that_do_not_come() -> None:
    release = threading.Event()

    def arrays():
        yield np.zeros((8, 8, 3), np.uint8)
        release.wait(60)

    video = open_source(arrays(), timeout_s=0.3)
    with closing(video), pytest.raises(SilentSourceError, match=r"arrays: no data for 0\.3 s"):
        list(video)
    release.set()


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_a_time_out_is_above_0(make_video, timeout_s: float) -> None:
    with pytest.raises(VideoError, match="give seconds above 0"):
        open_video(make_video("clip.mp4", num_frames=2), timeout_s=timeout_s)
