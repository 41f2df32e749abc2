"""One image file with several images: all are read, one at a time."""

import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.video.source import open_video

DURATIONS_MS = [100, 100, 100, 300, 300]
TIMES_S = [0.0, 0.1, 0.2, 0.3, 0.6]


def make_images(count: int, size_wh: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    return [np.full((size_wh[1], size_wh[0], 3), 30 * (i % 8), np.uint8) for i in range(count)]


def make_tiff(path: Path, images: list[np.ndarray]) -> Path:
    assert cv2.imwritemulti(str(path), images)
    return path


def make_animation(path: Path) -> Path:
    animation = cv2.Animation()
    animation.frames = [cv2.cvtColor(image, cv2.COLOR_BGR2BGRA) for image in make_images(5)]
    animation.durations = DURATIONS_MS
    assert cv2.imwriteanimation(str(path), animation)
    return path


def read(path: Path, **part: object) -> list[tuple[int, float, int]]:
    with open_video(path, **part) as source:
        return [(frame.index, frame.time_s, round(frame.image.mean())) for frame in source]


def test_the_pages_of_a_tiff_file(tmp_path: Path) -> None:
    path = make_tiff(tmp_path / "stack.tif", make_images(5))
    assert read(path, image_fps=Fraction(10)) == [(i, i / 10, 30 * i) for i in range(5)]
    assert read(path, start_s=0.04, end_s=0.17, every=2) == [(1, 0.04, 30), (3, 0.12, 90)]
    source = open_video(path)
    assert (source.info.name, source.info.kind, source.info.num_frames) == ("stack", "images", 5)
    assert source.list_files() == (path,)
    again = source.reopen()
    assert again is not None
    assert [frame.index for frame in again] == [frame.index for frame in source] == list(range(5))
    with pytest.raises(VideoError, match="no frame between 9 s and the end"):
        open_video(path, start_s=9)
    with pytest.raises(VideoError, match="rate above 0"):
        open_video(path, image_fps=Fraction(0))


def test_pages_of_16_bits_have_one_scale(tmp_path: Path) -> None:
    pages = [np.full((8, 8), value, np.uint16) for value in (4095, 2048, 1024)]
    assert [grey for _, _, grey in read(make_tiff(tmp_path / "deep.tif", pages))] == [255, 128, 64]


def test_a_large_stack_is_not_read_at_once(tmp_path: Path) -> None:
    path = make_tiff(tmp_path / "large.tif", make_images(300, (320, 240)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(path)) == 300
        assert tracemalloc.get_traced_memory()[1] < 8e6
    finally:
        tracemalloc.stop()


def test_a_small_copy_of_a_photograph_is_no_page(tmp_path: Path) -> None:
    path = make_tiff(tmp_path / "photo.tif", make_images(2))
    data = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, first)[0]
    second = struct.unpack_from("<I", data, first + 2 + 12 * count)[0]
    entries = {
        struct.unpack_from("<H", data, second + 2 + 12 * i)[0]: second + 2 + 12 * i for i in range(count)
    }
    struct.pack_into("<HHII", data, min(entries.values()), 254, 4, 1, 1)
    path.write_bytes(data)
    assert len(read(path)) == 1


def test_a_stack_that_was_cut_off(tmp_path: Path) -> None:
    path = make_tiff(tmp_path / "cut.tif", make_images(8))
    whole = path.read_bytes()
    for num_bytes in (len(whole) * 6 // 10, len(whole) * 7 // 10, len(whole) - 5):
        path.write_bytes(whole[:num_bytes])
        with open_video(path) as source:
            frames = list(source)
        assert 1 < len(frames) < 8
        assert source.missing[-1].num_frames is None
        assert source.warnings[-1].endswith("; the file is incomplete")


@pytest.mark.parametrize("name", ["moving.webp", "moving.png"])
def test_the_frames_of_an_animation_have_their_times(tmp_path: Path, name: str) -> None:
    path = make_animation(tmp_path / name)
    frames = read(path)
    assert [(index, time_s) for index, time_s, _ in frames] == list(enumerate(TIMES_S))
    assert [grey for _, _, grey in frames] == pytest.approx([0, 30, 60, 90, 120], abs=2)
    part = read(path, start_s=0.15, every=2)
    assert part == [frames[2], frames[4]]


def test_a_damaged_animation_is_refused_in_one_line(tmp_path: Path) -> None:
    path = make_animation(tmp_path / "moving.webp")
    data = path.read_bytes()
    path.write_bytes(data[:40] + bytes(len(data) // 2) + data[40 + len(data) // 2 :])
    with pytest.raises(VideoError, match="no image could be read"):
        open_video(path)
    path.write_bytes(data[:-20])
    with pytest.raises(VideoError, match="no image could be read"):
        open_video(path)


def test_one_image_stays_one_image(tmp_path: Path) -> None:
    for name in ("one.tif", "one.png", "one.webp", "one.jpg"):
        cv2.imwrite(str(tmp_path / name), make_images(2)[1])
        with open_video(tmp_path / name) as source:
            assert [frame.index for frame in source] == [0]
        assert source.warnings == []


def test_the_bound_of_the_size(tmp_path: Path) -> None:
    for path in (make_tiff(tmp_path / "stack.tif", make_images(3)), make_animation(tmp_path / "moving.webp")):
        with pytest.raises(VideoError, match="above the limit of 1,000"):
            open_video(path, max_pixels=1000)


def test_in_a_sequence_the_first_image_of_each_file_is_read_and_said(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        make_tiff(tmp_path / name, make_images(3))
    with open_video(tmp_path) as source:
        assert len(list(source)) == 2
    assert source.warnings == [
        f"{tmp_path}: a.tif holds 3 images, of which the first is read, as of others of its kind; to read all, "
        "give each file as a source of its own"
    ]
