"""Multitask prediction: boxes, masks and keypoints of whole images, in the images' own pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.backbones.variants import ResNetFPNConfig
from models.rcnn.network import make_rcnn
from models.rcnn.variants import FULL
from posetrack.compute import Compute
from posetrack.predictors.rcnn import RCNNPredictor
from posetrack.predictors.settings import RCNNSettings

EAGER = Compute(torch.device("cpu"), engine="torch", precision="f32")
OPENVINO = Compute(torch.device("cpu"), engine="openvino", precision="f32")
SMALL = replace(
    FULL,
    backbone=ResNetFPNConfig(name="resnet18", scales="multi", channels=16),
    deformed="none",
    proposals_per_level=(64, 32),
    proposals=(64, 32),
    box_width=32,
    mask_layers=(8,) * 4,
    keypoint_layers=(8,) * 2,
)


def make_predictor(config=SMALL, compute=EAGER, **settings):
    torch.manual_seed(0)
    network = make_rcnn(config).eval()
    # So that random weights find boxes of all kinds of scores.
    torch.manual_seed(0)
    torch.nn.init.normal_(network.roi_heads.box_predictor.cls_score.weight, std=0.5)
    asked = {"longest_side_px": 128, "score_threshold": 0.05, "nms_iou": 0.5, **settings}
    return RCNNPredictor(network, RCNNSettings("small", **asked), compute)


@pytest.fixture
def planted(monkeypatch):
    """A predictor whose network finds the left half of each image, and something that is nobody."""

    def plant(**settings):
        predict = make_predictor(**settings)

        def find(outputs, input_hw, sizes_wh, parts, choice):
            w, h = sizes_wh[0]
            people = {
                "boxes": torch.tensor([[0.0, 0.0, w / 2, h], [0.0, 0.0, 9.0, 9.0]]),
                "labels": torch.tensor([1, 2]),
                "scores": torch.tensor([0.9, 0.8]),
                "masks": torch.ones(2, 28, 28),
                "keypoints": torch.full((2, 17, 2), 1.0) * torch.tensor([w / 4, h / 2]),
                "keypoint_scores": torch.full((2, 17), 0.7),
            }
            return [people] * len(sizes_wh)

        monkeypatch.setattr(predict._network, "find_people", find)
        return predict

    return plant


def test_everything_comes_back_in_the_image(planted):
    images = [np.zeros((360, 640, 3), np.uint8)] * 2 + [np.zeros((300, 100, 3), np.uint8)]
    for image, people in zip(images, planted()(images), strict=True):
        height, width = image.shape[:2]
        np.testing.assert_allclose(people.boxes_xyxy, [[0, 0, width / 2, height]], rtol=0.02)
        np.testing.assert_allclose(people.keypoints_xy[0, 3], [width / 4, height / 2], rtol=0.02)
        assert people.box_scores.tolist() == pytest.approx([0.9])
        assert people.keypoint_scores.tolist() == [pytest.approx([0.7] * 17)]
        assert people.masks.shape == (1, height, width)
        # All but the borders, where the mask's enlargement fades out.
        assert people.masks[0, 20 : height - 20, 5 : width // 2 - 12].all()
        assert not people.masks[0, :, width // 2 + 12 :].any()


@pytest.mark.parametrize("deformed", ["none", "backbone+head"])
def test_openvino_finds_the_same(deformed):
    config = replace(SMALL, deformed=deformed)
    images = [np.random.default_rng(i).integers(0, 256, (90, 120, 3)).astype(np.uint8) for i in range(2)]
    wanted = make_predictor(config)(images)
    for people, expected in zip(make_predictor(config, OPENVINO)(images), wanted, strict=True):
        assert len(people) == len(expected) > 0
        np.testing.assert_allclose(people.boxes_xyxy, expected.boxes_xyxy, atol=0.05)
        np.testing.assert_allclose(people.box_scores, expected.box_scores, atol=1e-3)
        np.testing.assert_allclose(people.keypoint_scores, expected.keypoint_scores, atol=1e-3)
        assert (people.masks != expected.masks).mean() < 1e-3


@pytest.mark.parametrize(("has_masks", "has_keypoints"), [(True, True), (False, True), (True, False)])
def test_network_runs_with_each_head(has_masks, has_keypoints):
    layers = {"mask_layers": (8,) * 4 * has_masks, "keypoint_layers": (8,) * 2 * has_keypoints}
    config = replace(SMALL, **layers)
    predict = make_predictor(config, score_threshold=0.0)
    images = [np.random.default_rng(i).integers(0, 256, (90, 120, 3)).astype(np.uint8) for i in range(2)]
    together = predict(images)
    for image, people in zip(images, together, strict=True):
        assert len(people) > 0
        assert (people.masks is not None) == has_masks
        assert (people.keypoints_xy is not None) == has_keypoints
        (alone,) = predict([image])
        np.testing.assert_allclose(people.box_scores, alone.box_scores, atol=1e-4)
        np.testing.assert_allclose(people.boxes_xyxy, alone.boxes_xyxy, atol=0.05)


def test_no_images_and_nobody():
    predict = make_predictor(score_threshold=1.0)
    assert predict([]) == []
    (people,) = predict([np.zeros((64, 96, 3), np.uint8)])
    assert people.boxes_xyxy.shape == (0, 4)
    assert people.masks.shape == (0, 64, 96)
    assert people.keypoints_xy.shape == (0, 17, 2)
