"""MoveNet behind images: what its decoders find comes back in the image, on either path."""

from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from models.backbones.variants import MOVENET_MULTIPOSE, MOVENET_THUNDER
from models.checkpoints import load_embedded
from models.movenet.network import MoveNet
from posetrack.compute import Compute
from posetrack.images.on_device import DeviceImages
from posetrack.predictors.movenet import (
    MultiposePredictor,
    ThunderPredictor,
)
from posetrack.predictors.settings import MultiposeSettings, ThunderSettings
from posetrack.video.source import open_video

STREET = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
CPU = torch.device("cpu")
DEVICES = [torch.device(name) for name in ("cpu", *(["cuda"] if torch.cuda.is_available() else []))]
EAGER = Compute(CPU, engine="torch", precision="f32")
EXACT = int(cv2.__version__.partition(".")[0]) >= 5


@cache
def read_street():
    with open_video(STREET) as video:
        return [frame.image for frame in islice(video, 84, 109, 12)]


class DotFinder(nn.Module):
    """Heads of thunder that put every keypoint at the middle of what is bright in the crop."""

    def forward(self, images):
        grey = images[:, 0].double()
        B, H, W = grey.shape
        total = grey.sum(dim=(1, 2))
        # In cells from the crop's edge; `decode_single` adds a cell's number and its offset.
        x = (grey.sum(dim=1) * (torch.arange(W) + 0.5)).sum(dim=1) / total / 4
        y = (grey.sum(dim=2) * (torch.arange(H) + 0.5)).sum(dim=1) / total / 4
        K = MOVENET_THUNDER.num_keypoints
        center, heatmap = torch.full((B, 1, H // 4, W // 4), -9.0), torch.full((B, K, H // 4, W // 4), -9.0)
        offset = torch.zeros(B, 2 * K, H // 4, W // 4)
        for i, (row, column) in enumerate(zip(y.floor().long(), x.floor().long(), strict=True)):
            center[i, :, row, column] = heatmap[i, :, row, column] = 9.0
            offset[i, 0::2, row, column] = (y[i] - row).float()
            offset[i, 1::2, row, column] = (x[i] - column).float()
        regress = torch.zeros(B, 2 * K, H // 4, W // 4)
        return {"center": center, "kpt_heatmap": heatmap, "kpt_regress": regress, "kpt_offset": offset}


@pytest.mark.parametrize("side_px", [60, 150, 256, 420])
def test_a_dot_comes_back_where_it_was_drawn(side_px):
    x, y = 231.3, 268.9
    xs, ys = np.arange(500) + 0.5, np.arange(520) + 0.5
    dot = 255 * np.exp(-((xs - x) ** 2 + (ys[:, None] - y) ** 2) / (2 * (side_px / 20) ** 2))
    image = np.repeat(dot.round().astype(np.uint8)[..., None], 3, axis=2)
    box = np.array([[x - 0.4 * side_px, y - 0.5 * side_px, x + 0.3 * side_px, y + 0.5 * side_px]], np.float32)
    ((points, scores),) = ThunderPredictor(DotFinder(), ThunderSettings("movenet-thunder"), EAGER)(
        [image], [box]
    )
    np.testing.assert_allclose(points, np.tile((x, y), (1, 17, 1)), atol=0.1)
    assert (scores > 0.99).all()


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_people_are_the_same_on_either_path(device):
    """Detector and estimator, end to end; the paths share networks and differ in who resizes and cuts."""
    on_device = Compute(device, engine="torch", precision="f32")
    device_images = DeviceImages(device, remembered=4)
    images = read_street()
    # 320 halves the frames exactly; in other reduced images there is no difference at all.
    config = MultiposeSettings(
        "movenet-multipose", longest_side_px=320, score_threshold=0.2, nms_iou=0.6, nms_oks=0.8
    )
    multipose = load_movenet(MOVENET_MULTIPOSE, "movenet-multipose")
    wanted = MultiposePredictor(multipose, config, EAGER)(images)
    found = MultiposePredictor(multipose, config, on_device, device_images)(images)
    assert sum(map(len, wanted)) >= 2
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours.boxes_xyxy, theirs.boxes_xyxy, atol=0.5)
        np.testing.assert_allclose(ours.box_scores, theirs.box_scores, atol=0.01)
        found_pose = (ours.keypoints_xy, ours.keypoint_scores)
        assert_keypoints_alike(found_pose, (theirs.keypoints_xy, theirs.keypoint_scores), most_px=1.5)
    boxes = [people.boxes_xyxy for people in wanted]
    thunder, config = (
        load_movenet(MOVENET_THUNDER, "movenet-thunder"),
        ThunderSettings("movenet-thunder", batch_crops=2),
    )
    wanted_poses = ThunderPredictor(thunder, config, EAGER)([*images, images[0]], [*boxes, boxes[0][:0]])
    found_poses = ThunderPredictor(thunder, config, on_device, device_images)(
        [*images, images[0]], [*boxes, boxes[0][:0]]
    )
    assert [len(xy) for xy, _ in found_poses] == [*map(len, boxes), 0]
    for ours, theirs in zip(found_poses, wanted_poses, strict=True):
        assert_keypoints_alike(ours, theirs, most_px=0.1 if EXACT else 1.0)


def load_movenet(config, name):
    network = MoveNet(config).eval()
    load_embedded(network, name)
    return network


def assert_keypoints_alike(found, wanted, *, most_px):
    (xy, scores), (wanted_xy, wanted_scores) = found, wanted
    np.testing.assert_allclose(scores, wanted_scores, atol=0.01)
    is_clear = wanted_scores > 0.3
    assert is_clear.sum() >= 5 * len(is_clear)
    np.testing.assert_allclose(xy[is_clear], wanted_xy[is_clear], atol=most_px)
