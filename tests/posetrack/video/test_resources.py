"""What sources hold: decoders are closed at once, and too few file descriptors are one line."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from posetrack.errors import VideoError
from posetrack.video.live import open_live
from posetrack.video.source import open_video


@contextmanager
def no_more_files() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))  # Those that are open stay so.
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="no /proc here")
@pytest.mark.parametrize("num_read", [0, 3, 20])
def test_a_closed_video_leaves_no_decoder(make_video, num_read: int) -> None:
    path = make_video("clip.mp4", size_wh=(640, 480))

    def read() -> None:
        with open_video(path) as video:
            for position, _ in enumerate(video):
                if position + 1 >= num_read:
                    break

    def count_threads() -> int:
        return len(os.listdir("/proc/self/task"))

    read()
    gc.collect()
    gc.disable()
    try:
        num_before = count_threads()
        for _ in range(4):
            read()
        assert count_threads() <= num_before
    finally:
        gc.enable()


def test_too_few_descriptors_are_one_line(make_video) -> None:
    path = make_video("clip.mp4")
    with (
        no_more_files(),
        pytest.raises(VideoError, match=r"clip\.mp4: cannot be opened: Too many open files; "),
    ):
        open_video(path)


def test_a_looped_file_is_opened_again_when_there_are_descriptors(make_video, caplog) -> None:
    path = make_video("clip.mp4", num_frames=5)
    with open_live(str(path), loop=True, speed=4) as source:
        with no_more_files():
            for _ in range(200):
                source.read(0.1)
                if source.status.state == "lost":
                    break
            assert source.status.state == "lost"
            assert source.status.message.startswith("cannot be opened: Too many open files")
        assert source.read(10) is not None
    assert len(caplog.records) <= 2
