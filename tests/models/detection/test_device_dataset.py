"""Images that are placed and augmented on a device, against those of the loader."""

import cv2
import numpy as np
import pytest
import torch

from models.data.image_files import ImageFile
from models.data.instances import InstanceSamples
from models.data.stored_images import StoredImages
from models.detection.augment import DetectionAugment
from models.detection.dataset import DetectionDataset, collate_samples
from models.detection.device_dataset import ImageDrawer, PlannedImages, collate_plans
from models.detection.plan import Canvas

K = 2
SIZES_WH = ((150, 110), (90, 140), (60, 50))
CANVAS = Canvas((96, 64))
COLORS = {"hue_deg": 20, "saturation": 0.3, "brightness": 0.3, "grey_fraction": 0.3}
CASES = {
    "plain": (CANVAS, None),
    "plain by sides": (Canvas(short_sides_px=(40, 60), max_side_px=100), None),
    "scales": (CANVAS, DetectionAugment(scale_range=(0.4, 2.0), aspect_factor=1.4)),
    "mosaics": (CANVAS, DetectionAugment(mosaic_fraction=0.7, **COLORS)),
    "empty parts": (CANVAS, DetectionAugment(empty_fraction=0.8, brightness=0.2)),
    "rotated": (CANVAS, DetectionAugment(rotation_deg=40, mosaic_fraction=0.3)),
    "sides": (Canvas(short_sides_px=(40, 60), max_side_px=100), DetectionAugment(rotation_deg=10, **COLORS)),
}


@pytest.fixture(params=["remap", "interpolate"], autouse=True)
def way(request, monkeypatch):
    """Both ways to cut, of a CPU and of other devices."""
    monkeypatch.setattr(StoredImages, "remap", getattr(StoredImages, request.param))


@pytest.fixture
def samples(tmp_path):
    rng = np.random.default_rng(0)
    files, boxes = [], []
    for i, (width, height) in enumerate(SIZES_WH):
        image = cv2.resize(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8), (width, height))
        files.append(ImageFile(tmp_path / f"{i}.png"))
        cv2.imwrite(str(files[i].path), image)
        corners = rng.uniform(0, (width / 2, height / 2), (2, 2))
        boxes.append(np.concatenate([corners, corners + rng.uniform(10, 24, (2, 2))], axis=1))
    boxes = np.concatenate(boxes).astype(np.float32)
    keypoints = np.concatenate([boxes.reshape(-1, 2, 2), np.ones((len(boxes), 2, 1), np.float32)], axis=2)
    return InstanceSamples(
        images=tuple(files),
        image_ids=np.arange(3),
        image_index=np.repeat(np.arange(3), 2),
        boxes_xyxy=boxes,
        is_ignored=np.arange(6) == 5,
        keypoints_xyw=keypoints,
        outlines=([[x1, y1, x2, y1, x2, y2] for x1, y1, x2, y2 in boxes[:1].tolist()], *[None] * 5),
    )


def make_both(samples, canvas, augment):
    dataset = DetectionDataset(
        samples, canvas=canvas, flip_index=(1, 0), augment=augment, with_masks=True, seed=4
    )
    stored = StoredImages(samples.images, range(3), torch.device("cpu"))
    return dataset, PlannedImages(dataset, stored.sizes_wh), ImageDrawer(stored)


@pytest.mark.parametrize("name", CASES)
def test_batches_are_those_of_the_loader(samples, name):
    dataset, plans, draw = make_both(samples, *CASES[name])
    keys = [(epoch, index) for epoch in range(6) for index in range(len(plans))]
    found = draw(collate_plans([plans[key] for key in keys]))
    expected = collate_samples([dataset[key] for key in keys])
    assert found.keys() == expected.keys()
    for ours, theirs in zip(found["targets"], expected["targets"], strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert found["image"].dtype == torch.uint8
    assert found["image"].shape == expected["image"].shape
    difference = (found["image"].int() - expected["image"]).abs().float()
    # Interpolation and colours are rounded differently, and edges of rotated images are not blended.
    assert difference.mean() < 1.5
    assert (difference > 12).float().mean() < 0.02


def test_a_sample_depends_on_its_key_alone(samples):
    _, plans, draw = make_both(samples, *CASES["mosaics"])
    alone = draw(collate_plans([plans[2, 1]]))["image"][0]
    among = draw(collate_plans([plans[key] for key in ((0, 0), (2, 1), (3, 2))]))["image"][1]
    other = draw(collate_plans([plans[3, 1]]))["image"][0]
    # The number of points that are averaged is that of the batch.
    assert (alone.int() - among).abs().float().mean() < 1
    assert (alone.int() - other).abs().float().mean() > 8
