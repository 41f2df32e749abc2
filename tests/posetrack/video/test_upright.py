"""Pixels that are not square, and images that are too large."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.run.sources import open_source
from posetrack.video.capture import capture_file, capture_stream
from posetrack.video.limits import check_max_pixels
from posetrack.video.source import open_video


@pytest.mark.parametrize(
    ("ratio", "width"),
    [
        (Fraction(2), 128),
        (Fraction(1, 2), 32),
        (Fraction(10, 11), 58),
        (Fraction(16, 15), 68),
        (Fraction(1), 64),
        (Fraction(1000, 1001), 64),  # an encoder's rounding
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
def test_images_have_the_width_at_which_they_are_shown(
    make_video, name: str, ratio: Fraction, width: int
) -> None:
    with open_video(make_video(name, num_frames=10, pixel_ratio=ratio)) as source:
        frames = list(source)
    assert (source.info.width, source.info.height) == (width, 48)
    assert [frame.size_wh for frame in frames] == [(width, 48)] * 10
    # The red corner is a quarter of the image, in its new width.
    assert frames[0].image[4, width // 4 - 3, 0] > 180 > 80 > frames[0].image[4, width // 4 + 3, 0]
    assert source.warnings == []


def test_it_is_told_once_and_not_again_in_a_second_reading(make_video, caplog) -> None:
    path = make_video("a.mp4", num_frames=4, pixel_ratio=Fraction(2))
    with open_video(path) as source:
        list(source)
        with source.reopen() as again:
            assert again.info == source.info
            assert [frame.size_wh for frame in again] == [(128, 48)] * 4
    line = f"{path}: pixels of 2:1 (width:height) are made square: 64x48 becomes 128x48"
    assert [record.getMessage() for record in caplog.records] == [line]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_the_stored_image_is_widened_and_then_turned(make_video, rotation: int) -> None:
    with open_video(make_video("a.mp4", num_frames=1, pixel_ratio=Fraction(2), rotation=rotation)) as source:
        (frame,) = source
    assert frame.size_wh == ((48, 128) if rotation != 180 else (128, 48))


def test_a_part_is_the_same_as_in_the_whole(make_video) -> None:
    path = make_video("a.mp4", pixel_ratio=Fraction(3, 2), options={"g": "5", "preset": "ultrafast"})
    with open_video(path) as source:
        whole = list(source)
    with open_video(path, start_s=0.5, end_s=0.6) as source:
        part = list(source)
    assert [frame.index for frame in part] == [13, 14]
    for frame in part:
        np.testing.assert_array_equal(frame.image, whole[frame.index].image)


def test_a_ratio_that_changes_is_followed(tmp_path: Path, make_video) -> None:
    parts = [
        make_video(name, num_frames=10, pixel_ratio=ratio).read_bytes()
        for name, ratio in (("a.ts", Fraction(2)), ("b.ts", Fraction(1)))
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    with open_video(tmp_path / "both.ts") as source:
        widths = [frame.size_wh[0] for frame in source]
    assert widths == [128] * 10 + [64] * 10


def change_ratio(path: Path, width: int, height: int) -> None:
    """Change the ratio in the header of an MP4 file; that in its images stays."""
    data = bytearray(path.read_bytes())
    place = data.index(b"pasp") + 4
    data[place : place + 8] = struct.pack(">II", width, height)
    path.write_bytes(data)


@pytest.mark.parametrize(("width", "height"), [(1_000_000, 1), (1, 1_000_000), (0, 1), (1, 0)])
def test_a_ratio_that_cannot_be_is_ignored(make_video, width: int, height: int, caplog) -> None:
    """That of the images counts instead; there is a line, unless it is the usual way to say nothing."""
    path = make_video("a.mp4", num_frames=2, pixel_ratio=Fraction(2))
    change_ratio(path, width, height)
    with open_video(path) as source:
        assert [frame.size_wh for frame in source] == [(128, 48)] * 2
    lines = [record.getMessage() for record in caplog.records]
    ignored = f"{path}: pixels of {width}:{height} (width:height) cannot be right, and are ignored"
    assert [line for line in lines if "ignored" in line] == ([ignored] if width and height else [])


def test_the_ratio_of_the_container_comes_before_that_of_the_images(make_video) -> None:
    path = make_video("a.mp4", num_frames=2, pixel_ratio=Fraction(2))
    change_ratio(path, 3, 1)
    with open_video(path) as source:
        assert [frame.size_wh for frame in source] == [(192, 48)] * 2


def test_live_images_have_square_pixels_too(make_video) -> None:
    path = make_video("a.ts", num_frames=10, pixel_ratio=Fraction(2))
    for capture in (capture_file(str(path), Event()), capture_stream(f"file://{path}", Event())):
        assert next(capture).shape == (48, 128, 3)
        capture.close()


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"), [("a.mkv", "ffv1", "gray16le"), ("a.mov", "png", "rgb48be")]
)
def test_16_bits_of_video_are_scaled_by_what_is_used(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, caplog
) -> None:
    pixels = np.full((48, 64) if pix_fmt.startswith("gray") else (48, 64, 3), 1600, np.uint16)
    pixels[0, 0] = 4095
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format=pix_fmt)))
        container.mux(stream.encode(None))
    with open_video(tmp_path / name) as source:
        assert [frame.image[20, 20].tolist() for frame in source] == [[100, 100, 100]] * 2
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / name}: 16-bit images with 12 bits in use (the largest value is 4095), shown in 8 bits"
    ]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.mov", "png", "gray"),
        ("a.mkv", "ffv1", "gray"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.mjpeg", "mjpeg", "yuvj420p"),
    ],
)
def test_large_video_is_refused_by_its_header(make_video, name: str, codec: str, pix_fmt: str) -> None:
    """Large beyond what decoders are left to count above the bound, so that they refuse it."""
    size_wh, options = (1600, 1200), {"preset": "ultrafast"} if codec == "libx264" else {}
    path = make_video(name, num_frames=2, size_wh=size_wh, codec=codec, pix_fmt=pix_fmt, options=options)
    for max_pixels in (640_000, 1600 * 1200 - 1):
        with pytest.raises(VideoError, match=r"a\.\w+: 1600x1200 is 1,920,000 pixels, above the limit of "):
            open_video(path, max_pixels=max_pixels)
    with open_source(path, max_pixels=1600 * 1200) as source:
        assert next(iter(source)).size_wh == size_wh


def test_a_size_that_ffmpeg_itself_refuses_is_told(tmp_path: Path) -> None:
    """A GIF of 41 bytes that claims 900 million pixels."""
    header = b"GIF89a" + struct.pack("<HH", 30_000, 30_000) + b"\x80\0\0\0\0\0\xff\xff\xff"
    image = b"\x2c" + struct.pack("<HHHH", 0, 0, 30_000, 30_000) + b"\0\x02\x02\x4c\x01\0;"
    (tmp_path / "a.gif").write_bytes(header + image)
    with pytest.raises(
        VideoError, match=r"a\.gif: 30000x30000 is 900,000,000 pixels, above the limit of 200,000,000"
    ):
        open_video(tmp_path / "a.gif")


def test_the_bound_counts_square_pixels(make_video) -> None:
    path = make_video("a.mp4", num_frames=1, pixel_ratio=Fraction(2))
    open_video(path, max_pixels=128 * 48).close()
    with pytest.raises(
        VideoError, match="128x48 is 6,144 pixels, above the limit of 6,143; scale it down, or "
    ):
        open_video(path, max_pixels=128 * 48 - 1)


def test_live_sources_are_bounded(make_video) -> None:
    path = make_video("a.ts", num_frames=10)
    for capture in (
        capture_file(str(path), Event(), max_pixels=3071),
        capture_stream(f"file://{path}", Event(), max_pixels=3071),
    ):
        with pytest.raises(VideoError, match="64x48 is 3,072 pixels, above the limit of 3,071"):
            next(capture)


@pytest.mark.parametrize("max_pixels", [0, -5, 2**30 + 1])
def test_bounds_have_bounds(max_pixels: int) -> None:
    with pytest.raises(VideoError, match=f"max_pixels {max_pixels}: expected 1 to 1,073,741,824 pixels"):
        check_max_pixels(max_pixels)
