"""Regions about boxes: what a crop shows comes back where it was drawn, on either path, in any batches."""

import numpy as np
import pytest
import torch

from models.data.crop import make_crop_matrices
from posetrack.images.crops import BoxCrops, CropCutter, estimate_in_crops
from posetrack.images.on_device import DeviceImages

CPU = torch.device("cpu")
DEVICES = [torch.device(name) for name in ("cpu", *(["cuda"] if torch.cuda.is_available() else []))]


def draw_dot(width, height, x, y, sigma):
    """An image with a bright dot about a point, in continuous pixels."""
    xs, ys = np.arange(width) + 0.5, np.arange(height) + 0.5
    dot = np.exp(-((xs - x) ** 2 + (ys[:, None] - y) ** 2) / (2 * sigma**2))
    return np.repeat((255 * dot).round().astype(np.uint8)[..., None], 3, axis=2)


def find_dot(crops):
    """The dot's centre in indices of the crop's pixels as every one of 2 keypoints, and the brightness."""
    grey = crops[:, 0].double().cpu().numpy()
    total = grey.sum(axis=(1, 2))
    x = (grey.sum(axis=1) * np.arange(grey.shape[2])).sum(axis=1) / total
    y = (grey.sum(axis=2) * np.arange(grey.shape[1])).sum(axis=1) / total
    points = np.stack([x, y], axis=1).astype(np.float32)[:, None].repeat(2, axis=1)
    return points, (total / total.max()).astype(np.float32)[:, None].repeat(2, axis=1)


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 2.3, 4.0])
@pytest.mark.parametrize("is_unbiased", [False, True])
@pytest.mark.parametrize("is_on_device", [False, True])
def test_a_dot_comes_back_where_it_was_drawn(scale, is_unbiased, is_on_device):
    crops = BoxCrops((96, 128), padding=1.25, is_unbiased=is_unbiased)
    x, y = 203.3, 181.8
    image = draw_dot(400, 380, x, y, sigma=max(3.0, 2.5 / scale))
    half = 96 / scale / 1.25 / 2
    # The dot is not in the middle, and boxes are as they come: higher than the crops, and wider.
    boxes = np.array(
        [
            [x - half * 1.2, y - half, x + half * 0.8, y + half * 1.1],
            [x - half * 0.7, y - half * 1.4, x + half * 0.6, y + half * 1.2],
        ],
        np.float32,
    )
    cut = CropCutter(CPU, DeviceImages(CPU) if is_on_device else None)
    ((points, _),) = estimate_in_crops(find_dot, [image], [boxes], crops=crops, cut=cut, num_keypoints=2)
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, np.tile([x, y], (2, 2, 1)), atol=0.1)


def test_images_share_batches_and_get_their_own_people_back():
    images = [draw_dot(120, 100, 40 + 9 * i, 50, sigma=4.0) for i in range(4)]
    counts = (2, 0, 3, 1)
    rng = np.random.default_rng(0)
    boxes = [
        np.concatenate([rng.uniform(0, 10, (n, 2)), rng.uniform(90, 110, (n, 2))], axis=1).astype(np.float32)
        for n in counts
    ]
    sizes = []

    def predict(crops):
        sizes.append(tuple(crops.shape))
        return find_dot(crops)

    options = {"cut": CropCutter(CPU), "num_keypoints": 2}
    found = estimate_in_crops(predict, images, boxes, crops=BoxCrops((48, 64), batch_crops=4), **options)
    assert sizes == [(4, 3, 64, 48), (2, 3, 64, 48)]
    assert [points.shape for points, _ in found] == [(n, 2, 2) for n in counts]
    assert [scores.shape for _, scores in found] == [(n, 2) for n in counts]
    for i, (points, _) in enumerate(found):
        np.testing.assert_allclose(points, np.broadcast_to((40 + 9 * i, 50), points.shape), atol=0.1)


def test_nobody_is_no_call():
    def predict(crops):
        pytest.fail("nobody is here")

    none, options = np.zeros((0, 4), np.float32), {"crops": BoxCrops((48, 64)), "num_keypoints": 17}
    for device_images in (None, DeviceImages(CPU)):
        cut = CropCutter(CPU, device_images)
        ((points, scores),) = estimate_in_crops(
            predict, [np.zeros((9, 9, 3), np.uint8)], [none], cut=cut, **options
        )
        assert points.shape == (0, 17, 2)
        assert scores.shape == (0, 17)
        assert estimate_in_crops(predict, [], [], cut=cut, **options) == []


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_either_path_cuts_the_same_and_leaves_images_without_regions_alone(device):
    rng = np.random.default_rng(1)
    images = [
        np.clip(128 + 90 * np.sin(np.arange(w) / 9)[:, None] + rng.normal(0, 9, (h, 1, 3)), 0, 255).astype(
            np.uint8
        )
        for w, h in ((160, 120), (50, 50), (97, 203))
    ]
    matrices = [
        make_crop_matrices(rng.uniform(0, 160, (n, 2)), rng.uniform(30, 300, n), (48, 64)) for n in (3, 0, 2)
    ]
    device_images = DeviceImages(device, remembered=3)
    wanted = CropCutter(CPU)(images, matrices, (48, 64))
    found = CropCutter(device, device_images)(images, matrices, (48, 64))
    assert found.shape == wanted.shape == (5, 3, 64, 48)
    assert wanted.is_contiguous(memory_format=torch.channels_last)
    difference = (found.cpu().short() - wanted.short()).abs()
    assert difference.max() <= 8
    assert difference.float().mean() < 0.6
    assert wanted.float().mean() > 40


def test_a_region_has_the_area_that_is_cut_out():
    crops = BoxCrops((30, 40), padding=1.2)
    boxes = np.array([[0, 0, 60, 10], [5, 5, 8, 85]], np.float32)
    # 60 wide makes 80 high; 80 high makes 60 wide.
    np.testing.assert_allclose(crops.measure_regions(boxes), 60 * 80 * 1.2**2)
    sides = 30 / crops.make_matrices(boxes)[:, 0, 0]
    np.testing.assert_allclose(sides, 60 * 1.2)
