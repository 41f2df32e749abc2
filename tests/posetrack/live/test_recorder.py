"""Recording, switched on and off, by one session or two, on a disk that fails."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import av
import pytest

from posetrack.errors import VideoError
from posetrack.live import recorder as recorder_module
from posetrack.live.recorder import Recorder


def read_times(path: Path) -> list[float]:
    with av.open(str(path)) as video:
        return [round(frame.time, 3) for frame in video.decode(video=0)]


def test_a_recording_keeps_the_moments_of_its_images(tmp_path, make_image):
    recorder = Recorder(tmp_path / "out.mp4")
    for index, time_s in enumerate([8.0, 8.04, 8.2, 9.5]):
        recorder.show(make_image(index, time_s=time_s))
    recorder.close()
    recorder.close()
    assert read_times(tmp_path / "out.mp4") == pytest.approx([0, 0.04, 0.2, 1.5], abs=0.002)
    assert list(tmp_path.iterdir()) == [tmp_path / "out.mp4"]


def test_each_time_it_is_switched_on_begins_another_file(tmp_path, make_image):
    recorder = Recorder(tmp_path / "out.mp4")
    for index in range(12):
        recorder.show(make_image(index, is_recording=index % 4 != 3))
        assert recorder.path.exists()
    assert recorder.path == tmp_path / "out-3.mp4"
    recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-2.mp4", "out-3.mp4", "out.mp4"]
    assert all(len(read_times(path)) == 3 for path in tmp_path.iterdir())


def test_nothing_is_written_while_it_is_off(tmp_path, make_image):
    recorder = Recorder(tmp_path / "out.mp4")
    recorder.show(make_image(is_recording=False))
    recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_kept(tmp_path, make_image):
    (tmp_path / "out.mp4").write_text("mine")
    recorder = Recorder(tmp_path / "out.mp4")
    recorder.show(make_image())
    recorder.close()
    assert (tmp_path / "out.mp4").read_text() == "mine"
    assert recorder.path == tmp_path / "out-2.mp4"
    assert len(read_times(recorder.path)) == 1


def test_two_sessions_at_once_write_two_files(tmp_path, make_image):
    recorders = [Recorder(tmp_path / "out.mp4") for _ in range(2)]
    for index in range(4):
        for recorder in recorders:
            recorder.show(make_image(index))
    for recorder in recorders:
        recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-2.mp4", "out.mp4"]
    assert all(len(read_times(path)) == 4 for path in tmp_path.iterdir())


def test_a_folder_that_is_missing_ends_the_recording_and_not_the_session(tmp_path, make_image, caplog):
    recorder = Recorder(tmp_path / "no" / "out.mp4")
    for index in range(3):
        recorder.show(make_image(index))
    recorder.close()
    assert len(caplog.records) == 1, "said once"
    assert "recording stopped: " in caplog.text


def test_a_disk_that_fails_ends_the_recording_until_it_is_switched_on_again(
    tmp_path, make_image, monkeypatch, caplog
):
    class FullDisk(recorder_module.VideoWriter):
        def write(self, image, time_s) -> None:
            if time_s >= 0.08:
                self.abort()
                raise VideoError("out.mp4: No space left on device")
            super().write(image, time_s)

    failures: list[str] = []
    recorder = Recorder(tmp_path / "out.mp4", lambda: failures.append("told"))
    with monkeypatch.context() as patch:
        patch.setattr(recorder_module, "VideoWriter", FullDisk)
        for index in range(5):
            recorder.show(make_image(index))
    assert "recording stopped: out.mp4: No space left on device" in caplog.text
    assert failures == ["told"]
    assert list(tmp_path.iterdir()) == []
    recorder.show(make_image(6, is_recording=False))
    recorder.show(make_image(7))
    recorder.close()
    assert len(caplog.records) == 1
    assert [len(read_times(path)) for path in tmp_path.iterdir()] == [1]


def test_a_recording_waits_until_there_are_files_to_open(tmp_path, make_image, monkeypatch, caplog):
    monkeypatch.setattr(recorder_module, "_RETRY_S", 0.0)
    recorder = Recorder(tmp_path / "out.mp4", lambda: pytest.fail("it is still on"))
    touch = Path.touch
    shortages = iter([True, True, False])

    def touch_or_fail(path: Path, **options) -> None:
        if next(shortages):
            raise OSError(errno.EMFILE, "Too many open files")
        touch(path, **options)

    monkeypatch.setattr(Path, "touch", touch_or_fail)
    for index in range(4):
        recorder.show(make_image(index))
    recorder.close()
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["recording waits"]
    assert len(read_times(tmp_path / "out.mp4")) == 2


def test_a_change_of_resolution_goes_into_the_same_video(tmp_path, make_image):
    recorder = Recorder(tmp_path / "out.mp4")
    recorder.show(make_image(0))
    recorder.show(make_image(1, size_wh=(128, 72)))
    recorder.close()
    assert len(read_times(tmp_path / "out.mp4")) == 2


def test_closing_waits_for_the_image_that_is_being_written(tmp_path, make_image, monkeypatch):
    writing, go_on = threading.Event(), threading.Event()

    class Slow(recorder_module.VideoWriter):
        def write(self, image, time_s) -> None:
            writing.set()
            assert go_on.wait(20)
            super().write(image, time_s)

    monkeypatch.setattr(recorder_module, "VideoWriter", Slow)
    recorder = Recorder(tmp_path / "out.mp4")
    shower = threading.Thread(target=recorder.show, args=(make_image(),))
    shower.start()
    assert writing.wait(20)
    closer = threading.Thread(target=recorder.close)
    closer.start()
    closer.join(0.05)
    assert closer.is_alive()
    go_on.set()
    closer.join(20)
    shower.join(20)
    recorder.show(make_image(1))
    assert [len(read_times(path)) for path in tmp_path.iterdir()] == [1], "nothing begins after the end"
