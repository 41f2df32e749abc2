from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from models.image_size import MAX_PIXELS
from posetrack.errors import PoseTrackError
from posetrack.texture_atlas import TextureAtlas, read_texture


def make_tiles(side: int, channels: int) -> np.ndarray:
    """An atlas whose tiles have one colour each: the chart's number in red, 200 in green."""
    atlas = np.zeros((6 * side, 4 * side, channels), np.uint8)
    for chart in range(1, 25):
        column, row = (chart - 1) // 6, (chart - 1) % 6
        tile = atlas[row * side : (row + 1) * side, column * side : (column + 1) * side]
        tile[..., 0], tile[..., 1] = 10 * chart, 200
        tile[..., 3:] = chart
    return atlas


def write(path: Path, image: np.ndarray) -> Path:
    """Write RGB(A)."""
    order = [2, 1, 0, 3][: image.shape[2]] if image.ndim == 3 else None
    assert cv2.imwrite(str(path), image if order is None else image[..., order])
    return path


def find_colors(atlas: TextureAtlas) -> np.ndarray:
    """The colour at the middle of each chart."""
    dense = np.dstack([np.arange(1, 25), np.full(24, 127), np.full(24, 127)]).astype(np.uint8)
    return atlas.look_up(dense)[0]


@pytest.mark.parametrize("side", [2, 3, 64])
def test_png_keeps_colours_opacity_and_the_order_of_tiles(tmp_path, side):
    expected = np.column_stack([10 * np.arange(1, 25), np.full(24, 200), np.zeros(24, int), np.arange(1, 25)])
    with_opacity = read_texture(write(tmp_path / "a.png", make_tiles(side, 4)))
    assert with_opacity.side_px == side
    np.testing.assert_array_equal(find_colors(with_opacity), expected)
    without = read_texture(write(tmp_path / "b.png", make_tiles(side, 3)))
    expected[:, 3] = 255
    np.testing.assert_array_equal(find_colors(without), expected)


def test_black_is_transparent_also_as_jpeg_writes_it(tmp_path):
    tiles = make_tiles(16, 3)
    tiles[16:32, :16] = 0
    for name in ("a.png", "a.jpg"):
        opacity = find_colors(read_texture(write(tmp_path / name, tiles)))[:, 3]
        assert np.flatnonzero(opacity == 0).tolist() == [1]
        assert set(opacity) == {0, 255}
    dark = np.full((12, 8, 3), 1, np.uint8)
    assert (read_texture(write(tmp_path / "dark.png", dark)).rgba[..., 3] == 255).all()
    assert (TextureAtlas(dark * 0).rgba[..., 3] == 0).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((40, 60, 3), "40 x 60 pixels; a texture has 6 x 4 square tiles .*; scale or crop it"),
        ((60, 40, 2), "2 channels of 8 bits; a texture is RGB or RGBA of 8 bits; convert it"),
        ((60, 40), "1 channels of 8 bits"),
        ((6, 4, 3), "6 x 4 .*N at least 2"),
        ((12, 12, 3), "12 x 12"),
        ((61, 40, 3), "61 x 40"),
        ((0, 0, 3), "0 x 0"),
    ],
)
def test_arrays_of_another_shape_are_refused(tmp_path, shape, message):
    with pytest.raises(PoseTrackError, match=f"^texture: {message}"):
        TextureAtlas(np.zeros(shape, np.uint8))


def test_files_that_are_no_texture_are_refused_in_one_line(tmp_path):
    def refuse(path: Path, message: str) -> None:
        with pytest.raises(PoseTrackError, match=message) as caught:
            read_texture(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)

    refuse(write(tmp_path / "wide.png", np.zeros((8, 12, 3), np.uint8)), "8 x 12 .*6 x 4 square tiles")
    refuse(write(tmp_path / "grey.png", np.zeros((12, 8), np.uint8)), "1 channels of 8 bits; a texture is RGB")
    refuse(write(tmp_path / "grey.jpg", np.zeros((12, 8), np.uint8)), "1 channels of 8 bits; a texture is RGB")
    refuse(write(tmp_path / "deep.png", np.zeros((12, 8), np.uint16)), "1 channels of 16 bits")
    refuse(write(tmp_path / "a.bmp", np.zeros((12, 8, 3), np.uint8)), "BMP, and a texture is PNG or JPEG")
    refuse(tmp_path / "missing.png", "cannot be read .*No such file.*; check its name")
    refuse(tmp_path, "cannot be read .*Is a directory")
    (tmp_path / "empty.png").touch()
    refuse(tmp_path / "empty.png", "no image, or a damaged one")
    for name in ("b.png", "b.jpg"):
        noise = np.random.default_rng(0).integers(0, 255, (120, 80, 3), np.uint8)
        whole = write(tmp_path / name, noise).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        refuse(tmp_path / name, "no image, or a damaged one; give a texture of 6 x 4")
    side = int((MAX_PIXELS / 24) ** 0.5) + 1
    Image.new("1", (4 * side, 6 * side)).save(tmp_path / "huge.png")
    refuse(tmp_path / "huge.png", "are too many for a texture; scale it down")


def test_palettes_are_colours(tmp_path):
    image = Image.fromarray(make_tiles(4, 3)).quantize(64)
    image.save(tmp_path / "palette.png")
    colors = find_colors(read_texture(tmp_path / "palette.png"))
    np.testing.assert_array_equal(colors, find_colors(TextureAtlas(make_tiles(4, 3))))
    index = image.getpixel((0, 4))  # That of chart 2.
    image.save(tmp_path / "transparent.png", transparency=index)
    opacity = find_colors(read_texture(tmp_path / "transparent.png"))[:, 3]
    assert np.flatnonzero(opacity == 0).tolist() == [1]
