import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from models.data.augment import AugmentConfig
from models.data.image_files import ImageFile
from models.data.samples import PoseSamples
from models.data.stored_images import StoredImages
from models.hrnet.dataset import PoseDataset
from models.hrnet.device_dataset import CropDrawer, PlannedCrops

K = 9
SIZE_WH = (24, 32)
CPU = torch.device("cpu")
CONFIGS = {
    "none": None,
    "paper": AugmentConfig(),
    "all": AugmentConfig(
        shift=0.1, hue_deg=15, saturation=0.3, brightness=0.3, grey_fraction=0.3, erase_fraction=0.5
    ),
}


@pytest.fixture(params=["remap", "interpolate"], autouse=True)
def way(request, monkeypatch):
    """Both ways to cut, of a CPU and of other devices."""
    monkeypatch.setattr(StoredImages, "remap", getattr(StoredImages, request.param))


@pytest.fixture
def people(tmp_path):
    rng = np.random.default_rng(0)
    files = []
    for i, (width, height) in enumerate([(90, 70), (60, 100), (30, 30)]):
        image = cv2.resize(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8), (width, height))
        files.append(ImageFile(tmp_path / f"{i}.png"))
        cv2.imwrite(str(files[i].path), image)
    corner = rng.uniform(0, 30, (8, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(15, 50, (8, 2))], axis=1).astype(np.float32)
    return PoseSamples(
        images=tuple(files),
        image_ids=np.arange(3),
        image_index=np.arange(8) % 2,
        boxes_xyxy=boxes,
        scores=np.ones(8, np.float32),
        keypoints_xy=rng.uniform(0, 60, (8, K, 2)).astype(np.float32),
        weights=(rng.random((8, K)) < 0.95).astype(np.float32),
    )


def make_both(people, config, seed=3):
    dataset = PoseDataset(
        people,
        size_wh=SIZE_WH,
        flip_index=(0, 2, 1, 4, 3, 5, 6, 7, 8),
        augment=config,
        upper_body=(0, 1, 2, 3),
        seed=seed,
    )
    stored = StoredImages(people.images, np.unique(people.image_index).tolist(), CPU)
    return dataset, PlannedCrops(dataset), CropDrawer(stored, SIZE_WH)


@pytest.mark.parametrize("name", CONFIGS)
def test_samples_are_those_of_the_loader(people, name):
    dataset, plans, draw = make_both(people, CONFIGS[name])
    keys = [(epoch, index) for epoch in range(5) for index in range(len(plans))]
    found = draw(default_collate([plans[key] for key in keys]))
    expected = default_collate([dataset[key] for key in keys])
    assert found.keys() == expected.keys()
    for key in ("keypoints_xy", "weights"):
        assert torch.equal(found[key], expected[key])
    assert found["image"].dtype == torch.uint8
    difference = (found["image"].int() - expected["image"]).abs().float()
    # Interpolation and colours are rounded differently, nothing else.
    assert difference.mean() < 1
    assert (difference > 8).float().mean() < 0.01


def test_a_sample_does_not_depend_on_its_batch(people):
    _, plans, draw = make_both(people, CONFIGS["all"])
    keys = [(0, 3), (1, 3), (0, 5)]
    together = draw(default_collate([plans[key] for key in keys]))
    for i, key in enumerate(keys):
        alone = draw(default_collate([plans[key]]))
        for name, values in together.items():
            assert torch.equal(values[i], alone[name][0])
    assert not torch.equal(together["image"][0], together["image"][1])
    other = make_both(people, CONFIGS["all"], seed=4)[1]
    assert not np.array_equal(other[keys[0]]["to_image"], plans[keys[0]]["to_image"])
