"""What is left of a video whose process is killed, or whose disk fails, at any moment."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.video import mp4_index
from posetrack.video.base import VideoInfo
from posetrack.video.disk_file import DiskFile
from posetrack.video.mp4_index import cut_torn_end, move_index_to_front
from posetrack.video.writer import IS_KEPT_WHEN_KILLED, VideoWriter

pytestmark = pytest.mark.skipif(not IS_KEPT_WHEN_KILLED, reason="this FFmpeg is too old")

INFO = VideoInfo("clip.mp4", "clip", 64, 48, Fraction(25), Fraction(1, 1000), None)
MOST_LOST_FRAMES = 25


def read_times(path: Path) -> list[float]:
    with av.open(str(path)) as video:
        return [frame.time for frame in video.decode(video=0)]


def list_boxes(path: Path) -> list[str]:
    data, position, kinds = path.read_bytes(), 0, []
    while position + 8 <= len(data):
        kinds.append(data[position + 4 : position + 8].decode())
        position += int.from_bytes(data[position : position + 4], "big")
    return kinds


def make_noise(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8)


@pytest.mark.parametrize(("is_recording", "name"), [(True, "o.mp4"), (False, ".o.part.mp4")])
def test_a_killed_process_leaves_a_video_up_to_its_last_second(
    tmp_path: Path, is_recording: bool, name: str
) -> None:
    program = f"""if True:
        import os, signal
        import numpy as np
        from fractions import Fraction
        from posetrack.video.base import VideoInfo
        from posetrack.video.writer import IS_KEPT_WHEN_KILLED, VideoWriter
        info = VideoInfo("clip.mp4", "clip", 64, 48, Fraction(25), Fraction(1, 1000), None)
        writer = VideoWriter("o.mp4", info, is_recording={is_recording})
        for index in range(100):
            writer.write(np.full((48, 64, 3), 2 * index, np.uint8), index / 25)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == [name]
    times = read_times(tmp_path / name)
    assert len(times) >= 100 - MOST_LOST_FRAMES
    assert times == pytest.approx([index / 25 for index in range(len(times))], abs=0.001)
    if not is_recording:
        # The next run takes the place of what it left.
        with VideoWriter(tmp_path / "o.mp4", INFO) as writer:
            writer.write(make_noise(0), 0.0)
        assert os.listdir(tmp_path) == ["o.mp4"]


def test_a_recording_loses_few_images_also_at_a_low_rate(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "o.mp4", INFO, is_recording=True)
    for index in range(40):
        writer.write(make_noise(index), index / 5)
    assert read_times(tmp_path / "o.mp4")[-1] >= 39 / 5 - 1.5
    writer.close()


def test_a_killed_run_keeps_its_sound(tmp_path: Path, make_video: Callable[..., Path]) -> None:
    for name, sound in (("clip.mp4", "aac"), ("clip.ts", "aac"), ("clip.mkv", "pcm_s16le")):
        source = make_video(name, num_frames=38, sound=sound)
        writer = VideoWriter(tmp_path / "o.mp4", INFO, audio_from=str(source))
        for index in range(38):
            writer.write(make_noise(index), index / 25)
        with av.open(str(tmp_path / ".o.part.mp4")) as video:
            heard_s = max(frame.time for frame in video.decode(audio=0))
        assert heard_s > 0.4, name
        writer.abort()


def test_a_closed_recording_is_a_plain_mp4_with_its_index_in_front(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "o.mp4", INFO, is_recording=True) as writer:
        for index in range(60):
            writer.write(make_noise(index), index / 25)
    assert os.listdir(tmp_path) == ["o.mp4"]
    kinds = list_boxes(tmp_path / "o.mp4")
    assert sorted(set(kinds)) == ["free", "ftyp", "mdat", "moov"]
    assert kinds.index("moov") < kinds.index("mdat")
    assert len(read_times(tmp_path / "o.mp4")) == 60


def test_where_there_is_no_room_for_a_copy_the_index_stays_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(mp4_index, "_copy", fail)
    for is_recording in (True, False):
        with VideoWriter(tmp_path / "o.mp4", INFO, is_recording=is_recording) as writer:
            for index in range(30):
                writer.write(make_noise(index), index / 25)
        assert os.listdir(tmp_path) == ["o.mp4"]
        assert len(read_times(tmp_path / "o.mp4")) == 30
        assert "No space left" in writer.warnings[0]
        assert "\n" not in writer.warnings[0]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("limit", [0.0001, 0.02, 0.4, 0.7, 0.98])
@pytest.mark.parametrize("is_recording", [True, False])
def test_a_disk_that_fills_leaves_what_a_recording_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float, is_recording: bool
) -> None:
    write = DiskFile.write

    def write_some(file: DiskFile, data: bytes) -> int:
        if file._failure is None and file.tell() + len(data) > limit_bytes:
            write(file, bytes(data)[: max(0, limit_bytes - file.tell())])
            file._failure = OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    def write_all(writer: VideoWriter) -> None:
        for index in range(100):
            writer.write(make_noise(index), index / 25)
        writer.close()

    write_all(VideoWriter(tmp_path / "whole.mp4", INFO, is_recording=is_recording))
    size_bytes = (tmp_path / "whole.mp4").stat().st_size
    (tmp_path / "whole.mp4").unlink()
    limit_bytes = round(size_bytes * limit)
    monkeypatch.setattr(DiskFile, "write", write_some)
    writer = VideoWriter(tmp_path / "o.mp4", INFO, is_recording=is_recording)
    with pytest.raises(VideoError, match="No space left"):
        write_all(writer)
    writer.close()
    if not is_recording or limit < 0.1:
        assert os.listdir(tmp_path) == []
    else:
        assert os.listdir(tmp_path) == ["o.mp4"]
        # As much as fits, less a fragment of half a second.
        assert len(read_times(tmp_path / "o.mp4")) >= 100 * limit - 17


def test_after_a_failure_nothing_more_is_written(tmp_path: Path) -> None:
    file = DiskFile(tmp_path / "o.mp4")
    assert file.write(b"abc") == 3
    file._failure = OSError(errno.EIO, "Input/output error")
    with pytest.raises(OSError, match="Input/output error"):
        file.write(b"d")
    file.close()
    file.close()
    assert (file.write(b"de"), file.seek(7), file.tell()) == (2, 7, 0)
    assert (tmp_path / "o.mp4").read_bytes() == b"abc"


def make_box(kind: bytes, content: bytes = b"") -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def test_positions_are_moved_with_the_images(tmp_path: Path) -> None:
    def make_index(shift: int) -> bytes:
        table = make_box(
            b"stco",
            bytes(4)
            + (2).to_bytes(4, "big")
            + b"".join((position + shift).to_bytes(4, "big") for position in (24, 27)),
        )
        long = make_box(b"co64", bytes(4) + (1).to_bytes(4, "big") + (25 + shift).to_bytes(8, "big"))
        return make_box(
            b"moov",
            make_box(
                b"trak",
                make_box(
                    b"mdia", make_box(b"minf", make_box(b"stbl", table + make_box(b"stsz", bytes(12)) + long))
                ),
            ),
        )

    head, images, index = make_box(b"ftyp", b"12345678"), make_box(b"mdat", b"abcdef"), make_index(0)
    path = tmp_path / "o.mp4"
    path.write_bytes(head + images + index)
    move_index_to_front(path, path, is_synced=True)
    assert path.read_bytes() == head + make_index(len(index)) + images
    assert os.listdir(tmp_path) == ["o.mp4"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        make_box(b"mdat", b"abc"),
        make_box(b"moov"),
        make_box(b"moov") + make_box(b"mdat"),
        bytes(40),
    ],
)
def test_a_file_of_another_form_stays_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "o.mp4"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"no index at the end|no images|a box of"):
        move_index_to_front(path, path)
    assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["o.mp4"]


def test_a_torn_fragment_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "o.mp4"
    whole = make_box(b"ftyp") + make_box(b"moov") + make_box(b"moof") + make_box(b"mdat", b"abc")
    for torn in (b"", make_box(b"moof"), make_box(b"moof") + make_box(b"mdat", b"abc")[:-1], b"\0"):
        path.write_bytes(whole + torn)
        assert cut_torn_end(path)
        assert path.read_bytes() == whole
    path.write_bytes(make_box(b"ftyp") + b"\0\0")
    assert not cut_torn_end(path)
