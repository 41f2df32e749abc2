import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from torch.utils.data import default_collate

from models.data.image_files import ImageFile
from models.data.people_crops import ImageSamples, draw_mask
from models.data.samples import PoseSamples
from models.data.stored_images import StoredImages
from models.swahr.dataset import CrowdDataset, ImageAugmentConfig
from models.swahr.device_dataset import CrowdDrawer, PlannedCrowds, collate_crowds

K, SIZE_PX = 3, 64
SIZES_WH = ((90, 70), (60, 100), (80, 80))
CONFIGS = {
    "none": None,
    "paper": ImageAugmentConfig(),
    "mosaics": ImageAugmentConfig(scale_range=(0.7, 1.4), mosaic_fraction=0.7),
}


@pytest.fixture(params=["remap", "interpolate"], autouse=True)
def way(request, monkeypatch):
    """Both ways to cut, of a CPU and of other devices."""
    monkeypatch.setattr(StoredImages, "remap", getattr(StoredImages, request.param))


@pytest.fixture
def samples(tmp_path):
    """Three images: one with a box and a mask to ignore, one with four people, one with nobody."""
    rng = np.random.default_rng(0)
    files = []
    for i, size_wh in enumerate(SIZES_WH):
        files.append(ImageFile(tmp_path / f"{i}.png", size_wh))
        cv2.imwrite(str(files[i].path), cv2.resize(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8), size_wh))
    crowd = np.zeros((70, 90), np.uint8)
    cv2.circle(crowd, (60, 30), 14, 1, -1)
    image_index = np.array([0, 1, 1, 1, 1])
    corner = rng.uniform(5, 30, (5, 2))
    people = PoseSamples(
        images=tuple(files),
        image_ids=np.arange(3),
        image_index=image_index,
        boxes_xyxy=np.concatenate([corner, corner + rng.uniform(8, 28, (5, 2))], axis=1).astype(np.float32),
        scores=np.ones(5, np.float32),
        keypoints_xy=rng.uniform(5, 60, (5, K, 2)).astype(np.float32),
        weights=(rng.random((5, K)) < 0.7).astype(np.float32),
    )
    ignored = ((np.array([10.2, 20.7, 30, 45], np.float32), coco_mask.encode(np.asfortranarray(crowd))), (), ())
    return ImageSamples(people, ignored, tuple(np.flatnonzero(image_index == i) for i in range(3)))


def make_both(samples, config, max_people=6):
    dataset = CrowdDataset(
        samples, size_px=SIZE_PX, flip_index=(0, 2, 1), augment=config, max_people=max_people, seed=3
    )
    stored = StoredImages(
        samples.people.images,
        range(3),
        torch.device("cpu"),
        lambda i: draw_mask(samples.ignored[i], SIZES_WH[i]),
    )
    return dataset, PlannedCrowds(dataset, stored.sizes_wh), CrowdDrawer(stored, SIZE_PX)


@pytest.mark.parametrize("max_people", [6, 2])
@pytest.mark.parametrize("name", CONFIGS)
def test_samples_are_those_of_the_loader(samples, name, max_people):
    dataset, plans, draw = make_both(samples, CONFIGS[name], max_people)
    keys = [(epoch, index) for epoch in range(6) for index in range(len(plans))]
    found = draw(collate_crowds([plans[key] for key in keys]))
    expected = default_collate([dataset[key] for key in keys])
    assert found.keys() == expected.keys()
    for key in found.keys() - {"image", "masks"}:
        assert torch.equal(found[key], expected[key])
    difference = (found["image"].int() - expected["image"]).abs().float()
    assert found["image"].dtype == torch.uint8
    assert difference.mean() < 0.6
    assert (difference > 10).float().mean() < 0.002
    for ours, theirs in zip(found["masks"], expected["masks"], strict=True):
        assert ours.dtype == theirs.dtype
        assert (ours != theirs).float().mean() < 0.004
        assert 0.02 < (theirs == 0).float().mean() < 0.9


def test_a_sample_does_not_depend_on_its_batch(samples):
    _, plans, draw = make_both(samples, CONFIGS["mosaics"], max_people=2)
    keys = [(0, 0), (1, 0), (0, 1), (0, 2)]
    together = draw(collate_crowds([plans[key] for key in keys]))
    for i, key in enumerate(keys):
        alone = draw(collate_crowds([plans[key]]))
        assert torch.equal(together["image"][i], alone["image"][0])
        for ours, theirs in zip(together["masks"], alone["masks"], strict=True):
            assert torch.equal(ours[i], theirs[0])
