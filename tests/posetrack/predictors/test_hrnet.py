"""Top-down prediction: coordinates there and back, batches, the flip test, devices."""

import numpy as np
import pytest
import torch
from torch import nn

from posetrack.compute import Compute
from posetrack.images.on_device import DeviceImages
from posetrack.predictors.hrnet import HRNetPredictor
from posetrack.predictors.settings import TopDownSettings
from posetrack.skeleton import COCO_17

DEVICES = [torch.device(name) for name in ("cpu", *(["cuda"] if torch.cuda.is_available() else []))]


class BlobFinder(nn.Module):
    """Heatmaps that are as bright as the crop: every keypoint is where the crop has its one blob."""

    def __init__(self, kind="dark"):
        super().__init__()
        self.kind = kind

    def forward(self, images):
        grey = images.mean(dim=1, keepdim=True)
        if self.kind == "udp":
            cells_hw = [side // 4 for side in images.shape[2:]]
            bright = nn.functional.interpolate(grey, cells_hw, mode="bilinear", align_corners=True)
        else:
            # The middle of cell c lies at input pixel 4 c: averages about it, not beside it.
            bright = nn.functional.avg_pool2d(grey, 5, stride=4, padding=2)
        return (bright + 3).expand(-1, COCO_17.num_keypoints, -1, -1) / 6


def make_predictor(network, *, kind="dark", device_images=None, device=DEVICES[0], **settings):
    traits = {"width_px": 96, "height_px": 128, "coding": kind, "sigma_cells": 1.5, "padding": 1.25}
    config = TopDownSettings("blobs", **{**traits, **settings})
    compute = Compute(device, engine="torch", precision="f32")
    return HRNetPredictor(network.eval(), config, COCO_17, compute, device_images)


def draw_blob(width, height, x, y, sigma=6.0):
    """An image with a bright blob about a point, in continuous pixels."""
    xs, ys = np.arange(width) + 0.5, np.arange(height) + 0.5
    blob = np.exp(-((xs - x) ** 2 + (ys[:, None] - y) ** 2) / (2 * sigma**2))
    return np.repeat((255 * blob).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("kind", ["offset", "dark", "udp"])
def test_keypoints_come_back_where_they_are(kind, flip_test):
    places = [(60.0, 40.0), (131.3, 92.7), (83.6, 120.2)]
    images = [draw_blob(200, 160, x, y) for x, y in places]
    boxes = [np.array([[x - 40, y - 60, x + 30, y + 50]], np.float32) for x, y in places]
    predict = make_predictor(BlobFinder(kind), kind=kind, flip_test=flip_test)
    # A cell is 5.7 px of the image here. The flip test moves maps by a whole cell where 3/4 would be right.
    most = 5.7 * (0.5 if kind == "offset" else 0.14 if flip_test and kind == "dark" else 0.05)
    for (points, scores), place in zip(predict(images, boxes), places, strict=True):
        assert points.shape == (1, 17, 2)
        assert points.dtype == scores.dtype == np.float32
        np.testing.assert_allclose(points[0], np.tile(place, (17, 1)), atol=most)
        assert (scores > 0.5).all()
        assert (scores <= 1).all()


@pytest.mark.parametrize("kind", ["dark", "udp"])
def test_keypoints_come_back_where_they_are_at_several_scales(kind):
    places = [(60.0, 40.0), (131.3, 92.7), (83.6, 120.2)]
    images = [draw_blob(200, 160, x, y) for x, y in places]
    boxes = [np.array([[x - 40, y - 60, x + 30, y + 50]], np.float32) for x, y in places]
    # More boxes than a batch has, so that every batch has its crops of all scales.
    options = {"kind": kind, "scales": (1.0, 0.8, 1.3), "batch_crops": 2}
    predict = make_predictor(BlobFinder(kind), **options)
    for (points, _), place in zip(predict(images, boxes), places, strict=True):
        np.testing.assert_allclose(points[0], np.tile(place, (17, 1)), atol=0.6)
    for scales in ((0.5,), (), (1.0, 20.0)):
        with pytest.raises(ValueError, match="scales: expected numbers"):
            make_predictor(BlobFinder(), scales=scales)


def test_images_share_batches_and_get_their_own_people():
    sizes = []

    class Counting(BlobFinder):
        def forward(self, images):
            sizes.append(len(images))
            return super().forward(images)

    images = [draw_blob(120, 100, 30 + 20 * i, 50) for i in range(4)]
    counts = (2, 0, 3, 1)
    rng = np.random.default_rng(0)
    boxes = [
        np.concatenate([rng.uniform(0, 20, (n, 2)), rng.uniform(80, 110, (n, 2))], axis=1).astype(np.float32)
        for n in counts
    ]
    predict = make_predictor(Counting(), batch_crops=4)
    sizes.clear()
    together = predict(images, boxes)
    assert sizes == [4, 2]
    alone = make_predictor(BlobFinder(), batch_crops=1)
    for image, box, (points, scores) in zip(images, boxes, together, strict=True):
        assert len(points) == len(scores) == len(box)
        for i in range(len(box)):
            ((one_points, one_scores),) = alone([image], [box[i : i + 1]])
            np.testing.assert_allclose(points[i], one_points[0], atol=1e-3)
            np.testing.assert_allclose(scores[i], one_scores[0], atol=1e-5)


def test_nobody_is_no_call(monkeypatch):
    predict = make_predictor(BlobFinder())
    monkeypatch.setattr(predict, "_predict", lambda crops: pytest.fail("nobody is here"))
    none = np.zeros((0, 4), np.float32)
    ((points, scores),) = predict([np.zeros((9, 9, 3), np.uint8)], [none])
    assert points.shape == (0, 17, 2)
    assert scores.shape == (0, 17)
    assert predict([], []) == []


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_device_path_finds_the_same(device):
    images = [draw_blob(200, 160, 60, 40), draw_blob(90, 200, 50, 120)]
    boxes = [
        np.array([[20, 0, 100, 90], [30, 10, 90, 80]], np.float32),
        np.array([[10, 60, 80, 190]], np.float32),
    ]
    on_cpu = make_predictor(BlobFinder())(images, boxes)
    there = make_predictor(BlobFinder(), device=device, device_images=DeviceImages(device), batch_crops=2)
    for (points, scores), (device_points, device_scores) in zip(on_cpu, there(images, boxes), strict=True):
        np.testing.assert_allclose(device_points, points, atol=0.2)
        np.testing.assert_allclose(device_scores, scores, atol=0.02)
