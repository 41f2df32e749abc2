"""MoveNet behind images: what its decoders find comes back in the image, on either path."""

from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from models.backbones.variants import MOVENET_MULTIPOSE
from models.checkpoints import load_embedded
from models.movenet.network import MoveNet
from posetrack.compute import Compute
from posetrack.images.on_device import DeviceImages
from posetrack.predictors.movenet import MultiposePredictor
from posetrack.predictors.settings import MultiposeSettings
from posetrack.video.source import open_video

STREET = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
CPU = torch.device("cpu")
DEVICES = [torch.device(name) for name in ("cpu", *(["cuda"] if torch.cuda.is_available() else []))]
EAGER = Compute(CPU, engine="torch", precision="f32")


@cache
def read_street():
    with open_video(STREET) as video:
        return [frame.image for frame in islice(video, 84, 109, 12)]


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_people_are_the_same_on_either_path(device):
    """The paths share the network and differ in who resizes."""
    on_device = Compute(device, engine="torch", precision="f32")
    device_images = DeviceImages(device, remembered=4)
    images = read_street()
    # 320 halves the frames exactly; in other reduced images there is no difference at all.
    config = MultiposeSettings(
        "movenet-multipose", longest_side_px=320, score_threshold=0.2, nms_iou=0.6, nms_oks=0.8
    )
    multipose = MoveNet(MOVENET_MULTIPOSE).eval()
    load_embedded(multipose, "movenet-multipose")
    wanted = MultiposePredictor(multipose, config, EAGER)(images)
    found = MultiposePredictor(multipose, config, on_device, device_images)(images)
    assert sum(map(len, wanted)) >= 2
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours.boxes_xyxy, theirs.boxes_xyxy, atol=0.5)
        np.testing.assert_allclose(ours.box_scores, theirs.box_scores, atol=0.01)
        np.testing.assert_allclose(ours.keypoint_scores, theirs.keypoint_scores, atol=0.01)
        is_clear = theirs.keypoint_scores > 0.3
        assert is_clear.sum() >= 5 * len(is_clear)
        np.testing.assert_allclose(ours.keypoints_xy[is_clear], theirs.keypoints_xy[is_clear], atol=1.5)
