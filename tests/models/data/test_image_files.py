"""Image files of data sets: upright or as they are stored, whichever has the annotated size."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from models.data import image_files
from models.data.image_files import ImageFile, check_images, list_images, read_header, read_image, turn_image
from models.training.errors import DataError

TURNED = range(5, 9)
LOSSLESS = ("png", "webp", "tif")


@pytest.fixture
def stored():
    """20 rows and 30 columns, with four corners of their own colours."""
    image = np.zeros((20, 30, 3), np.uint8)
    image[:10, :15, 0] = image[:10, 15:, 1] = image[10:, :15, 2] = 255
    return image


def write(path, stored, orientation):
    image = Image.fromarray(stored)
    if path.suffix == ".tif":
        image.save(path, tiffinfo={274: orientation})
        return path
    exif = Image.Exif()
    exif[274] = orientation
    image.save(path, exif=exif, **({"lossless": True} if path.suffix == ".webp" else {}))
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_are_opencvs(tmp_path, stored, orientation):
    path = write(tmp_path / "a.png", stored, orientation)
    shown = cv2.imread(str(path))[..., ::-1]
    np.testing.assert_array_equal(turn_image(stored, orientation), shown)


@pytest.mark.parametrize("suffix", ["jpg", *LOSSLESS])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_annotations_say(tmp_path, stored, suffix, orientation):
    path = write(tmp_path / f"a.{suffix}", stored, orientation)
    header = read_header(path)
    assert (header.stored_wh, header.orientation) == ((30, 20), orientation)
    shown_wh = (20, 30) if orientation in TURNED else (30, 20)
    files = check_images([ImageFile(path, shown_wh)], "x.json")
    # JPEG blurs colours; a wrong turn differs by 40 or more.
    most = 0 if suffix in LOSSLESS else 15
    difference = np.abs(read_image(files[0]).astype(int) - turn_image(stored, orientation).astype(int))
    assert difference.mean() <= most
    if orientation in TURNED:
        files = check_images([ImageFile(path, (30, 20))], "x.json")
        assert np.abs(read_image(files[0]).astype(int) - stored.astype(int)).mean() <= most


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_images_of_one_shape_are_as_the_others(tmp_path, stored, suffix, caplog):
    half = write(tmp_path / f"half.{suffix}", stored, 3)
    quarter = write(tmp_path / f"quarter.{suffix}", stored, 6)
    plain = write(tmp_path / f"plain.{suffix}", stored, 1)
    half, plain = ImageFile(half, (30, 20)), ImageFile(plain, (30, 20))
    for annotated_wh, expected in (((30, 20), stored), ((20, 30), stored[::-1, ::-1])):
        files = check_images([half, plain, ImageFile(quarter, annotated_wh)], "x.json")
        np.testing.assert_array_equal(read_image(files[0]), expected)
        np.testing.assert_array_equal(read_image(files[1]), stored)
    assert not caplog.records
    # Nothing tells: as people see it, with a warning; or as the format's own tools read it.
    with caplog.at_level(logging.WARNING):
        files = check_images([half, plain], "x.json")
    assert "x.json: 1 images have an EXIF orientation" in caplog.text
    np.testing.assert_array_equal(read_image(files[0]), stored[::-1, ::-1])
    files = check_images([ImageFile(quarter)], "x.json", upright_if_unknown=False)
    np.testing.assert_array_equal(read_image(files[0]), stored)


def test_both_ways_in_one_data_set_are_refused_where_the_size_does_not_tell(tmp_path, stored):
    quarter = write(tmp_path / "quarter.png", stored, 8)
    both = [ImageFile(quarter, (20, 30)), ImageFile(quarter, (30, 20))]
    upright, as_stored = check_images(both, "x.json")
    assert read_image(upright).shape == (30, 20, 3)
    assert read_image(as_stored).shape == (20, 30, 3)
    with pytest.raises(DataError, match=r"half\.png: EXIF orientation 3: .* 1 images .* upright and 1 as they"):
        check_images([*both, ImageFile(write(tmp_path / "half.png", stored, 3), (30, 20))], "x.json")


def test_another_size_is_refused_with_file_and_both_sizes(tmp_path, stored):
    path = write(tmp_path / "a.jpg", stored, 6)
    with pytest.raises(DataError, match=r"a\.jpg: the image is 20x30, stored as 30x20, but x\.json says 60x40"):
        check_images([ImageFile(path, (60, 40))], "x.json")
    plain = write(tmp_path / "b.jpg", stored, 1)
    with pytest.raises(DataError, match=r"b\.jpg: the image is 30x20, but x\.json says 20x30"):
        check_images([ImageFile(plain), ImageFile(plain, (20, 30))], "x.json")


def test_wrong_images_are_named(tmp_path):
    for act in (read_image, lambda file: check_images([file], "x.json")):
        with pytest.raises(DataError, match=r"no\.jpg: no such image"):
            act(ImageFile(tmp_path / "no.jpg"))
        for content in (b"no image", b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe1\xff\xff"):
            (tmp_path / "bad.jpg").write_bytes(content)
            with pytest.raises(DataError, match=r"bad\.jpg: not an image"):
                act(ImageFile(tmp_path / "bad.jpg"))
        with pytest.raises(DataError, match="no such image"):
            act(ImageFile(tmp_path))


def test_too_large_images_are_refused_by_their_header(tmp_path, stored, monkeypatch):
    path = write(tmp_path / "a.png", stored, 6)
    monkeypatch.setattr(image_files, "MAX_PIXELS", 599)
    monkeypatch.setattr(cv2, "imdecode", None)
    for act in (read_image, lambda file: check_images([file], "x.json")):
        with pytest.raises(
            DataError, match=r"a\.png: 30x20 is 600 pixels, above the limit of 599; scale it down"
        ):
            act(ImageFile(path))


def test_pillows_own_bound_does_not_count(tmp_path, stored, monkeypatch):
    path = write(tmp_path / "a.png", stored, 6)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_header(path).shown_wh == (20, 30)


def test_a_damaged_orientation_counts_as_none(tmp_path, stored):
    for orientation in (0, 9, 255):
        path = write(tmp_path / "a.png", stored, orientation)
        assert read_header(path).orientation == 1
        np.testing.assert_array_equal(read_image(check_images([ImageFile(path)], "x.json")[0]), stored)


def test_images_are_rgb(tmp_path):
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0] = 200
    cv2.imwrite(str(tmp_path / "red.png"), image[..., ::-1])
    np.testing.assert_array_equal(read_image(ImageFile(tmp_path / "red.png")), image)


def test_sizes_of_annotations():
    entries = [
        {"file_name": "a.jpg", "width": 640, "height": 480.0},
        {"file_name": "b.jpg", "width": "640", "height": "480"},
        {"file_name": "c.jpg", "width": 0, "height": 0},
        {"file_name": "d.jpg", "width": None},
    ]
    files = list_images({"images": entries}, Path("images"), "x.json")
    assert [file.size_wh for file in files] == [(640, 480), (640, 480), None, None]
    assert files[3].path == Path("images/d.jpg")
    for wrong in ({"width": "wide"}, {"width": -5}, {"height": 10.5}, {"file_name": 3}, {"file_name": ""}):
        with pytest.raises(DataError, match=r"x\.json: images\[0\]"):
            list_images({"images": [{**entries[0], **wrong}]}, Path("images"), "x.json")


def test_names_that_no_file_has_are_one_line(tmp_path):
    for name in ("a\nb.png", "x" * 5000, "a" * 300 + ".png"):
        for act in (read_image, lambda file: check_images([file], "x.json")):
            with pytest.raises(DataError, match="no such image") as caught:
                act(ImageFile(tmp_path / name))
            assert "\n" not in str(caught.value)
