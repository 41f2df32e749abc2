import errno
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.video import writer as writer_module
from posetrack.video.base import VideoInfo
from posetrack.video.canvas import Yuv420pConverter, fit_image
from posetrack.video.source import open_video
from posetrack.video.writer import VideoWriter

INFO = VideoInfo("clip.mp4", "clip", 64, 48, Fraction(25), Fraction(1, 25), 10)


def write_all(path: Path, images: list[np.ndarray], info: VideoInfo = INFO) -> None:
    with VideoWriter(path, info) as writer:
        for index, image in enumerate(images):
            writer.write(image, index / float(info.fps))


def test_images_come_back(tmp_path: Path, make_image, shade) -> None:
    write_all(tmp_path / "o.mp4", [make_image(i) for i in range(10)])
    assert os.listdir(tmp_path) == ["o.mp4"]
    with open_video(tmp_path / "o.mp4") as source:
        frames = list(source)
    assert source.warnings == []
    assert [shade(frame.image) for frame in frames] == list(range(10))
    assert [frame.time_s for frame in frames] == [i / 25 for i in range(10)]
    assert np.abs(frames[3].image[2:8, 2:10].astype(int) - make_image(3)[2:8, 2:10]).max() < 16


def test_it_is_h264_for_every_player(tmp_path: Path, make_image) -> None:
    write_all(tmp_path / "o.mp4", [make_image(i) for i in range(10)])
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.colorspace, stream.color_range, stream.color_trc, stream.color_primaries) == (
            1,
            1,
            1,
            1,
        )
    data = (tmp_path / "o.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays while it loads


@pytest.mark.parametrize(
    ("pts", "time_base", "fps"),
    [
        (list(range(12)), Fraction(1001, 30000), Fraction(30000, 1001)),
        ([512 * i for i in (0, 1, 2, 4, 5, 9, 10, 11)], Fraction(1, 15360), Fraction(20)),
        ([0, 33, 67, 100, 133], Fraction(1, 1000), Fraction(30)),
        ([0, 7, 1000000, 2000000], Fraction(1, 1000000), Fraction(2)),
        ([0], Fraction(1, 15360), Fraction(30)),
    ],
)
def test_the_clock_of_the_source_is_kept(
    tmp_path: Path, make_image, packet_times, pts: list[int], time_base: Fraction, fps: Fraction
) -> None:
    info = replace(INFO, time_base=time_base, fps=fps)
    with VideoWriter(tmp_path / "o.mp4", info) as writer:
        for index, stamp in enumerate(pts):
            writer.write(make_image(index), 5.0 + float(stamp * time_base))
    assert packet_times(tmp_path / "o.mp4") == [stamp * time_base for stamp in pts]


@pytest.mark.parametrize(
    ("steps", "total"),
    [([1] * 11, Fraction(12, 30)), ([1, 1, 2, 1, 1, 4, 1, 1], Fraction(13, 30)), ([], Fraction(1, 30))],
)
def test_the_last_frame_is_shown_as_long_as_the_others(
    tmp_path: Path, make_image, steps: list[int], total: Fraction
) -> None:
    info = replace(INFO, time_base=Fraction(1, 15360), fps=Fraction(30))
    with VideoWriter(tmp_path / "o.mp4", info) as writer:
        for index, step in enumerate(np.cumsum([0, *steps])):
            writer.write(make_image(index), float(step) / 30)
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base == total
        assert stream.average_rate == (len(steps) + 1) / total
        assert stream.start_time == 0


def test_times_that_fall_on_one_tick_still_increase(tmp_path: Path, make_image, packet_times) -> None:
    with VideoWriter(tmp_path / "o.mp4", INFO) as writer:
        for index, time_s in enumerate([0.0, 0.04, 0.045, 0.12]):
            writer.write(make_image(index), time_s)
    assert packet_times(tmp_path / "o.mp4") == [Fraction(i, 25) for i in range(4)]


@pytest.mark.parametrize(("size_wh", "coded"), [((1, 1), (2, 2)), ((63, 47), (64, 48)), ((64, 47), (64, 48))])
def test_odd_sizes_gain_a_pixel(
    tmp_path: Path, make_image, size_wh: tuple[int, int], coded: tuple[int, int]
) -> None:
    write_all(tmp_path / "o.mp4", [make_image(i, size_wh) for i in range(3)])
    with open_video(tmp_path / "o.mp4") as source:
        frames = list(source)
    assert [frame.size_wh for frame in frames] == [coded] * 3
    last = frames[2].image
    assert np.abs(last[-1, -1].astype(int) - last[-2, -2]).max() < 8  # the edge again, not black


def test_fit_image() -> None:
    image = np.full((10, 20, 3), 200, np.uint8)
    boxed = fit_image(image, (40, 40))
    assert boxed.shape == (40, 40, 3)
    assert (boxed[10:30] == 200).all()
    assert not boxed[:10].any()
    assert not boxed[30:].any()
    assert (fit_image(image, (20, 10)) == image).all()
    assert fit_image(np.zeros((1, 3000, 3), np.uint8), (4, 4)).shape == (4, 4, 3)


def test_another_size_is_fitted(tmp_path: Path, make_image) -> None:
    write_all(tmp_path / "o.mp4", [make_image(0), make_image(1, (96, 96)), make_image(2)])
    with open_video(tmp_path / "o.mp4") as source:
        frames = list(source)
    assert [frame.size_wh for frame in frames] == [(64, 48)] * 3
    assert frames[1].image[:, :4].mean() < 10


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)])
def test_conversion_is_bt709_in_limited_range(colour: tuple[int, int, int]) -> None:
    frame = Yuv420pConverter()(np.full((4, 4, 3), colour, np.uint8))
    red, green, blue = np.array(colour) / 255
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    expected = (
        16 + 219 * luma,
        128 + 224 * (blue - luma) / 1.8556,
        128 + 224 * (red - luma) / 1.5748,
    )
    got = [np.frombuffer(memoryview(plane), np.uint8)[0] for plane in frame.planes]
    assert got == pytest.approx(expected, abs=1.5)


def test_a_image_that_is_none_is_refused(tmp_path: Path, make_image) -> None:
    writer = VideoWriter(tmp_path / "o.mp4", INFO)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            writer.write(wrong, 0.0)
    writer.write(np.ascontiguousarray(make_image(0))[:, ::-1], 0.0)  # a view with negative strides
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(make_image(0), 1.0)


def test_nothing_is_left_where_nothing_was_written(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "o.mp4", INFO):
        assert os.listdir(tmp_path) == [".o.part.mp4"]
    assert os.listdir(tmp_path) == []


def test_an_exception_leaves_the_old_file_alone(tmp_path: Path, make_image) -> None:
    (tmp_path / "o.mp4").write_bytes(b"old")

    def fail() -> None:
        with VideoWriter(tmp_path / "o.mp4", INFO) as writer:
            writer.write(make_image(0), 0.0)
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    assert os.listdir(tmp_path) == ["o.mp4"]
    assert (tmp_path / "o.mp4").read_bytes() == b"old"


def test_ctrl_c_leaves_a_playable_video(tmp_path: Path, make_image, packet_times) -> None:
    def interrupt() -> None:
        with VideoWriter(tmp_path / "o.mp4", INFO) as writer:
            for index in range(7):
                writer.write(make_image(index), index / 25)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert os.listdir(tmp_path) == ["o.mp4"]
    assert len(packet_times(tmp_path / "o.mp4")) == 7


def test_close_and_abort_twice(tmp_path: Path, make_image) -> None:
    writer = VideoWriter(tmp_path / "o.mp4", INFO)
    writer.write(make_image(0), 0.0)
    writer.close()
    writer.close()
    assert os.listdir(tmp_path) == ["o.mp4"]
    other = VideoWriter(tmp_path / "p.mp4", INFO)
    other.write(make_image(0), 0.0)
    other.abort()
    other.abort()
    assert os.listdir(tmp_path) == ["o.mp4"]


@pytest.mark.parametrize("when", ["write", "close", "rename"])
def test_a_full_disk_is_one_line(tmp_path: Path, make_image, monkeypatch, when: str) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def fail(*args: object, **kwargs: object) -> None:
        raise full

    writer = VideoWriter(tmp_path / "o.mp4", INFO)
    writer.write(make_image(0), 0.0)
    if when == "rename":
        monkeypatch.setattr(writer_module.Path, "replace", fail)
    else:
        monkeypatch.setattr(writer, "_mux_video", fail)
    with pytest.raises(
        VideoError, match=r"o\.mp4: the video cannot be written: No space left.*free some space"
    ):
        writer.write(make_image(1), 0.04) if when == "write" else writer.close()
    assert os.listdir(tmp_path) == []
    writer.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_device_that_is_full(tmp_path: Path, make_image) -> None:
    part = tmp_path / ".o.part.mp4"

    def write() -> None:
        with VideoWriter(tmp_path / "o.mp4", INFO) as writer:
            part.unlink()
            part.symlink_to("/dev/full")
            for index in range(200):
                writer.write(np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8), index / 25)

    with pytest.raises(VideoError, match="free some space"):
        write()
    assert os.listdir(tmp_path) == []


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="make the output folder first"):
        VideoWriter(tmp_path / "none" / "o.mp4", INFO)
    (tmp_path / "file").write_text("")
    with pytest.raises(VideoError, match="cannot be written"):
        VideoWriter(tmp_path / "file" / "o.mp4", INFO)


def test_a_folder_of_that_name(tmp_path: Path, make_image) -> None:
    (tmp_path / "o.mp4").mkdir()
    writer = VideoWriter(tmp_path / "o.mp4", INFO)
    writer.write(make_image(0), 0.0)
    with pytest.raises(VideoError, match="remove the folder of that name"):
        writer.close()
    assert os.listdir(tmp_path) == ["o.mp4"]
