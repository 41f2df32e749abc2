"""Image files of all depths and orientations, and their bound."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from models.image_size import read_image_size
from posetrack.errors import VideoError
from posetrack.video.image_files import ImageReader
from posetrack.video.source import open_video

SUFFIXES = (".jpg", ".png", ".tif", ".webp", ".bmp", ".ppm")
# Each corner has a colour.
CORNERS = np.zeros((48, 64, 3), np.uint8)
CORNERS[:24, :32], CORNERS[:24, 32:], CORNERS[24:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def make_png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, with next to no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """What the EXIF standard says: where the stored first row and column are shown."""
    rows = {1: "top", 2: "top", 3: "bottom", 4: "bottom", 5: "left", 6: "right", 7: "right", 8: "left"}
    columns = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}
    if rows[orientation] in ("left", "right"):
        image = image.transpose(1, 0, 2)
    if "bottom" in (rows[orientation], columns[orientation]):
        image = image[::-1]
    if "right" in (rows[orientation], columns[orientation]):
        image = image[:, ::-1]
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_images_are_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(CORNERS).save(tmp_path / f"a{suffix}", exif=exif, quality=95)
    expected = turn(CORNERS, orientation)
    with open_video(tmp_path / f"a{suffix}") as source:
        (frame,) = source
    assert (source.info.width, source.info.height) == frame.size_wh == expected.shape[1::-1]
    assert np.abs(frame.image.astype(int) - expected).mean() < 8


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_too_large_images_are_refused_by_their_header(tmp_path: Path, suffix: str) -> None:
    path = str(tmp_path / f"a{suffix}")
    cv2.imwrite(path, CORNERS)
    assert read_image_size(BytesIO(Path(path).read_bytes())) == (64, 48)
    image = ImageReader(64 * 48).read(path)
    assert image is not None
    assert image.shape == (48, 64, 3)
    message = f"a{suffix}: 64x48 is 3,072 pixels, above the limit of 3,071; scale it down, or raise"
    with pytest.raises(VideoError, match=message):
        ImageReader(64 * 48 - 1).read(path)


def test_a_file_of_few_bytes_is_not_decoded(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", None)
    data = make_png_header(60_000, 20_000)
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(
        VideoError, match=r"60000x20000 is 1,200,000,000 pixels, above the limit of 200,000,000"
    ):
        ImageReader().read(str(tmp_path / "a.png"))
    # With a damaged checksum, which decoders do not mind, it is no image.
    (tmp_path / "a.png").write_bytes(data[:29] + b"\0\0\0\0" + data[33:])
    assert ImageReader().read(str(tmp_path / "a.png")) is None


def test_a_damaged_header_that_decoders_do_not_mind_is_read(tmp_path: Path) -> None:
    data = cv2.imencode(".png", CORNERS)[1].tobytes()
    text = b"\0\0\0\3tEXta\0b" + b"wrong checksum"[:4]
    (tmp_path / "a.png").write_bytes(data[:33] + text + data[33:])
    assert read_image_size(BytesIO((tmp_path / "a.png").read_bytes())) is None
    image = ImageReader().read(str(tmp_path / "a.png"))
    assert image is not None
    assert image.shape == (48, 64, 3)


def test_large_photographs_and_8k_pass() -> None:
    for size_wh in ((7680, 4320), (16_320, 12_240)):
        assert read_image_size(BytesIO(make_png_header(*size_wh))) == size_wh
        assert size_wh[0] * size_wh[1] <= 200_000_000


def test_the_largest_page_of_a_tiff_counts(tmp_path: Path) -> None:
    pages = [np.zeros((size, size), np.float32) for size in (10, 40, 20)]
    cv2.imwritemulti(str(tmp_path / "a.tif"), pages)
    assert read_image_size(BytesIO((tmp_path / "a.tif").read_bytes())) == (40, 40)


@pytest.mark.parametrize(
    "data", [b"", b"rubbish", b"P5", b"II*\0\x08\0\0\0", b"\xff\xd8\xff\xe0", b"RIFF1234WEBP"]
)
def test_what_has_no_size_is_no_image(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    assert read_image_size(BytesIO(data)) is None
    assert ImageReader().read(str(tmp_path / "a.png")) is None


def test_too_large_images_of_a_folder_are_left_out_with_a_line(make_images) -> None:
    folder = make_images("walk", ["0.png", "1.png", "2.png"])
    cv2.imwrite(str(folder / "1.png"), np.zeros((100, 100, 3), np.uint8))
    with open_video(folder, max_pixels=5000) as source:
        assert [frame.index for frame in source] == [0, 2]
    assert source.num_damaged == 1
    assert source.warnings == [
        f"{folder}: 1 of 3 images are too large and were left out: {folder / '1.png'}: 100x100 is 10,000 "
        "pixels, above the limit of 5,000; scale it down, or raise the limit with --max-pixels (max_pixels)"
    ]
    with pytest.raises(VideoError, match=r"0\.png: 64x48 is 3,072 pixels, above the limit of 100"):
        open_video(folder, max_pixels=100)


def read_values(folder: Path, images: list[np.ndarray], suffix: str = ".png") -> list[int]:
    """The grey levels in the middle of images that are written to files and read."""
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f"{index}{suffix}"), image)
    with open_video(folder) as source:
        return [int(frame.image[2, 3, 0]) for frame in source]


def make_16_bits(value: int, highest: int) -> np.ndarray:
    image = np.full((5, 7), value, np.uint16)
    image[0, 0] = highest
    return image


@pytest.mark.parametrize(
    ("value", "highest", "expected"),
    [
        (100 * 257, 65535, 100),
        (50 * 256, 40000, 50),
        (100 * 16, 4095, 100),
        (100 * 4, 1023, 100),
        (100 * 4, 700, 100),
        (100, 255, 100),
        (100 * 64, 16383, 100),
        (0, 0, 0),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bits_are_scaled_by_what_is_used(
    tmp_path: Path, suffix: str, value: int, highest: int, expected: int
) -> None:
    assert read_values(tmp_path, [make_16_bits(value, highest)], suffix) == [expected]


def test_the_scale_is_that_of_the_first_image_and_only_widened(tmp_path: Path, caplog) -> None:
    images = [make_16_bits(1600, highest) for highest in (0, 3000, 4095, 1600, 16383, 4095)]
    images[0][:] = 0
    images.insert(3, np.full((5, 7), 60, np.uint8))
    assert read_values(tmp_path, images) == [0, 100, 100, 60, 100, 25, 25]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: 16-bit images with 12 bits in use (the largest value is 3000), shown in 8 bits",
        f"{tmp_path}: 16-bit images with 14 bits in use (the largest value is 16383), shown in 8 bits; "
        "darker than the images before",
    ]


def test_16_bits_in_use_are_nothing_to_tell(tmp_path: Path, caplog) -> None:
    read_values(tmp_path, [make_16_bits(1600, 65535)])
    assert caplog.records == []


@pytest.mark.parametrize(
    ("kind", "scale", "expected"),
    [(np.float32, 1, 127), (np.float64, 1, 127), (np.float32, 255, 127), (np.float32, 4095, 127)],
)
def test_floating_point(tmp_path: Path, kind: type, scale: float, expected: int) -> None:
    image = np.full((5, 7), 0.5 * scale, kind)
    image[0, :4] = (scale, -scale, np.nan, 0)
    assert read_values(tmp_path, [image], ".tif") == [expected]


def test_palettes_bits_transparency_and_cmyk(tmp_path: Path) -> None:
    rgb = Image.fromarray(CORNERS)
    rgb.quantize(8).save(tmp_path / "palette.png")
    rgb.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    rgb.convert("RGBA").save(tmp_path / "alpha.webp", lossless=True)
    rgb.convert("RGBA").save(tmp_path / "alpha.png")
    for path in tmp_path.iterdir():
        image = ImageReader().read(str(path))
        assert image is not None
        assert np.abs(image.astype(int) - CORNERS).mean() < 4
    Image.fromarray(CORNERS[..., 0] > 0).save(tmp_path / "bits.png")
    image = ImageReader().read(str(tmp_path / "bits.png"))
    assert image is not None
    np.testing.assert_array_equal(image, np.repeat(CORNERS[..., :1], 3, axis=2))
