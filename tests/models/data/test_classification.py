import cv2
import numpy as np
import pytest
import torch

from models.data.classification import ClassDataset, CropConfig, count_top
from models.training.errors import DataError

CONFIG = CropConfig(size_px=32, resized_px=40)


@pytest.fixture
def folder(tmp_path):
    """Classes "a" and "b", of 3 and 2 images of 80 x 60, each with a gradient from left to right."""
    for name, count in (("b", 2), ("a", 3)):
        (tmp_path / name).mkdir()
        for i in range(count):
            columns = np.linspace(10, 240, 80)[None, :, None]
            image = np.broadcast_to(columns, (60, 80, 3)) * np.array([1.0, 0.5, 0.1 * i])
            cv2.imwrite(str(tmp_path / name / f"{i}.JPEG"), image.astype(np.uint8)[..., ::-1])
    return tmp_path


def test_classes_are_folders_in_the_order_of_their_names(folder):
    dataset = ClassDataset(folder, CONFIG, is_training=False)
    assert dataset.classes == ["a", "b"]
    assert [dataset[(0, i)]["label"] for i in range(len(dataset))] == [0, 0, 0, 1, 1]


def test_evaluation_shows_the_middle(folder):
    image = ClassDataset(folder, CONFIG, is_training=False)[(3, 0)]["image"]
    assert (image.shape, image.dtype) == ((3, 32, 32), torch.uint8)
    # 80 x 60 becomes 53 x 40, of which 32 columns about the middle show 24 to 56 of 80, give or take.
    red = image[0].float().mean(dim=0)
    scale = (240 - 10) / 79
    assert red[0].item() == pytest.approx(10 + scale * 16.2, abs=6)
    assert red[-1].item() == pytest.approx(10 + scale * 62.8, abs=6)
    assert (red.diff() > 0).all()


def test_training_depends_on_seed_epoch_and_index_alone(folder):
    dataset = ClassDataset(folder, CONFIG, is_training=True, seed=4)
    first = dataset[(2, 1)]["image"]
    dataset[(0, 3)]
    torch.manual_seed(9)
    before = torch.get_rng_state()
    again = ClassDataset(folder, CONFIG, is_training=True, seed=4)[(2, 1)]["image"]
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)
    others = [dataset[(3, 1)], ClassDataset(folder, CONFIG, is_training=True, seed=5)[(2, 1)]]
    assert not any(torch.equal(first, other["image"]) for other in others)


def test_training_mirrors_about_half(folder):
    dataset = ClassDataset(folder, CONFIG, is_training=True)
    rises = [(image[0].float().mean(dim=0).diff().sum() > 0).item() for image in _draw(dataset, 40)]
    assert 10 < sum(rises) < 30
    upright = ClassDataset(folder, CropConfig(32, 40, flip_fraction=0.0), is_training=True)
    assert all((image[0].float().mean(dim=0).diff().sum() > 0).item() for image in _draw(upright, 10))


def _draw(dataset, epochs):
    return [dataset[(epoch, 0)]["image"] for epoch in range(epochs)]


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(DataError, match="no: expected a folder of images for each class"):
        ClassDataset(tmp_path / "no", CONFIG, is_training=True)
    (folder / "c").mkdir()
    with pytest.raises(DataError, match="for each class"):
        ClassDataset(folder, CONFIG, is_training=True)
    (folder / "c" / "broken.JPEG").write_bytes(b"no image")
    dataset = ClassDataset(folder, CONFIG, is_training=True)
    with pytest.raises(DataError, match=r"broken.JPEG: not an image"):
        dataset[(0, 5)]


@pytest.mark.parametrize("top", [1, 2, 5, 9])
def test_top_counts_are_those_of_the_loop(top):
    rng = np.random.default_rng(top)
    logits, labels = rng.normal(size=(20, 6)), rng.integers(0, 6, 20)
    expected = sum(label in np.argsort(-row)[:top] for row, label in zip(logits, labels, strict=True))
    assert count_top(torch.from_numpy(logits), torch.from_numpy(labels), top) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"resized_px": 200}, "resized_px: expected size_px"),
        ({"area_range": (0.5, 0.1)}, "area_range: expected two ascending"),
        ({"area_range": (0.5, 2.0)}, "area_range: expected two ascending numbers above 0, to 1"),
        ({"flip_fraction": 2.0}, "flip_fraction"),
    ],
)
def test_wrong_settings_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        CropConfig(**values)
