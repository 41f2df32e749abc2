import cv2
import numpy as np
import pytest
import torch

from models.data import stored_images
from models.data.image_files import ImageFile
from models.data.stored_images import StoredImages, make_grid
from models.training.errors import DataError

CPU = torch.device("cpu")


@pytest.fixture(params=["remap", "interpolate"])
def way(request, monkeypatch):
    """Both ways to cut, of a CPU and of other devices."""
    other = getattr(StoredImages, request.param)
    monkeypatch.setattr(StoredImages, "interpolate", other)
    monkeypatch.setattr(StoredImages, "remap", other)


def write_images(folder, sizes_wh, seed=0):
    rng = np.random.default_rng(seed)
    files, images = [], []
    for i, (width, height) in enumerate(sizes_wh):
        image = cv2.resize(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8), (width, height))
        cv2.imwrite(str(folder / f"{i}.png"), image[:, :, ::-1])
        files.append(ImageFile(folder / f"{i}.png", (width, height) if i % 2 else None))
        images.append(image)
    return files, images


@pytest.mark.usefixtures("way")
def test_regions_are_those_of_opencv(tmp_path):
    files, images = write_images(tmp_path, [(40, 30), (31, 57), (8, 8)])
    stored = StoredImages(files, [0, 1], CPU)
    assert stored.sizes_wh.tolist() == [[40, 30], [31, 57], [0, 0]]
    to_image = np.array([[[0.8, 0.3, 2.5], [-0.3, 0.8, 9.25]], [[1.4, 0, -6], [0, 2.2, -3.75]]], np.float32)
    grid = make_grid((24, 32), CPU)
    points = grid @ torch.from_numpy(to_image)[:, None].transpose(2, 3)
    found = stored.cut(torch.tensor([1, 0])[:, None, None], points).numpy()
    for crop, image, matrix in zip(found, (images[1], images[0]), to_image, strict=True):
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        expected = cv2.warpAffine(image, matrix, (24, 32), flags=flags)
        assert expected.any()
        # OpenCV may round coordinates to 1/32 px.
        difference = np.abs(crop.astype(int) - expected)
        assert difference.mean() < 0.6
        assert difference.max() <= 12


@pytest.mark.usefixtures("way")
def test_points_may_each_have_an_image_and_lie_anywhere(tmp_path):
    files, images = write_images(tmp_path, [(9, 7), (12, 5)])
    stored = StoredImages(files, [0, 1], CPU)
    index = torch.tensor([[[0, 1, 0, 1]]])
    points = torch.tensor([[[[8.0, 6.0], [11.0, 4.0], [1e30, 0.0], [-1.0, 2.0]]]])
    found = stored.cut(index, points)[0, 0].tolist()
    assert found == [images[0][6, 8].tolist(), images[1][4, 11].tolist(), [0, 0, 0], [0, 0, 0]]


def test_a_file_that_is_listed_twice_is_stored_once(tmp_path):
    files, images = write_images(tmp_path, [(9, 7), (12, 5)])
    stored = StoredImages([*files, files[1]], [0, 1, 2], CPU)
    assert len(stored._pixels) == 9 * 7 + 12 * 5
    assert stored.sizes_wh.tolist() == [[9, 7], [12, 5], [12, 5]]
    found = stored.cut(torch.tensor([[[2]]]), torch.tensor([[[[11.0, 4.0]]]]))
    assert found[0, 0, 0].tolist() == images[1][4, 11].tolist()


def test_too_little_memory_is_said_before_anything_is_decoded(tmp_path, monkeypatch):
    files, _ = write_images(tmp_path, [(40, 30), (40, 30)])
    monkeypatch.setattr(stored_images, "read_free_memory", lambda device: 2 * 40 * 30 * 3)
    monkeypatch.setattr(stored_images, "read_image", lambda file: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r'^loop.data = "device": 2 images are .* on cpu .*; take "loader"'):
        StoredImages(files, [0, 1], CPU)


def test_free_memory_is_known_where_the_system_says_it(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 5 kB\n")
    monkeypatch.setattr(stored_images, "_MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr("sys.platform", "linux")
    assert stored_images.read_free_memory(CPU) == 5 * 1024
    monkeypatch.setattr("sys.platform", "darwin")
    assert stored_images.read_free_memory(CPU) is None


def test_an_image_that_cannot_be_read_is_an_error(tmp_path):
    files, _ = write_images(tmp_path, [(40, 30), (40, 30)])
    files[1].path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"1.png: not an image"):
        StoredImages(files, [0, 1], CPU)
