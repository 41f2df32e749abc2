"""Detection: images of any size in, boxes in their pixels out, the same as from the network itself."""

import numpy as np
import pytest
import torch
from torch import nn

from models.rcnn.network import make_rcnn
from models.rcnn.variants import NETWORKS
from posetrack.compute import Compute
from posetrack.frame import to_pixel_indices
from posetrack.predictors.rcnn import RCNNPredictor
from posetrack.predictors.settings import RCNNSettings

EAGER = Compute(torch.device("cpu"), engine="torch", precision="f32")


@pytest.fixture(scope="module")
def make_predictor():
    torch.manual_seed(0)
    networks = {}
    for name in ("lite0-person", "movenet-multitask"):
        networks[name] = make_rcnn(NETWORKS[name]).eval()
        # So that random weights find boxes of all kinds of scores.
        nn.init.normal_(networks[name].roi_heads.box_predictor.cls_score.weight, std=0.5)

    def make(compute=EAGER, network="lite0-person", **settings):
        config = RCNNSettings(
            network, **{"longest_side_px": 96, "score_threshold": 0.05, "nms_iou": 0.5, **settings}
        )
        return RCNNPredictor(networks[network], config, compute), networks[network]

    return make


def draw(width, height, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    return np.kron(noise, np.ones((8, 8, 1))).astype(np.uint8)[:height, :width]


def test_boxes_are_those_of_the_network(make_predictor):
    predict, network = make_predictor()
    # Already of the input's size: nothing is scaled, and 26 rows are padded.
    image = draw(96, 70)
    canvas = np.full((96, 96, 3), 114, np.uint8)
    canvas[:70] = image
    with torch.inference_mode():
        (wanted,) = network(torch.from_numpy(canvas).permute(2, 0, 1)[None], sizes_wh=[(96, 70)])
    (found,) = predict([image])
    assert 0 < len(found) <= 100
    np.testing.assert_allclose(found.boxes_xyxy, wanted["boxes"].numpy(), atol=1e-2)
    np.testing.assert_allclose(found.box_scores, wanted["scores"].numpy(), atol=1e-4)
    assert (np.diff(found.box_scores) <= 0).all()
    assert found.boxes_xyxy[:, 3].max() <= 70


def test_keypoints_come_back_in_the_image(make_predictor):
    predict, network = make_predictor(network="movenet-multitask")
    image = draw(96, 96)
    with torch.inference_mode():
        (wanted,) = network(torch.from_numpy(image).permute(2, 0, 1)[None])
    (found,) = predict([image])
    # Of overlapping boxes of nearly equal scores, another may stay on another processor.
    distances = np.abs(found.boxes_xyxy - wanted["boxes"].numpy()[:, None]).max(axis=2)
    theirs, ours = np.nonzero(distances < 1e-2)
    assert len(set(ours)) == len(ours) == len(set(theirs)) >= 0.95 * len(found) > 0
    keypoints, scores = wanted["keypoints"].numpy()[theirs], wanted["keypoint_scores"].numpy()[theirs]
    np.testing.assert_allclose(found.keypoints_xy[ours], keypoints, atol=1e-2)
    np.testing.assert_allclose(found.keypoint_scores[ours], scores.clip(0, 1), atol=1e-4)
    (large,) = predict([image.repeat(3, axis=0).repeat(3, axis=1)])
    best = large.keypoints_xy[0]
    x0, y0, x1, y1 = large.boxes_xyxy[0]
    assert x0 - 1 <= best[:, 0].min() <= best[:, 0].max() <= x1 + 1
    assert y0 - 1 <= best[:, 1].min() <= best[:, 1].max() <= y1 + 1


def test_keypoints_count_from_the_centre_of_the_first_pixel_where_the_network_learnt_it_so(make_predictor):
    image = draw(96, 96)
    found = {}
    for origin in ("", "usual", "corner", "centre"):
        predict, _ = make_predictor(network="movenet-multitask", keypoint_origin=origin)
        found[origin] = predict([image])[0].keypoints_xy
    assert len(found[""]) > 0
    # Ours count from the corner; so what torchvision's give comes out unchanged as COCO's indices of pixels.
    np.testing.assert_array_equal(found[""], found["corner"])
    np.testing.assert_array_equal(found["usual"], found["corner"])
    np.testing.assert_allclose(to_pixel_indices(found["centre"]), found["corner"], atol=1e-4)


def test_boxes_come_back_in_the_image(make_predictor, monkeypatch):
    predict, _ = make_predictor()
    seen = []

    def find_people(outputs, input_hw, sizes_wh, parts, choice):
        seen.append((input_hw, sizes_wh))
        box = torch.tensor([[0.0, 0.0, sizes_wh[0][0] / 2, sizes_wh[0][1]]])
        return [{"boxes": box, "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}] * len(sizes_wh)

    monkeypatch.setattr(predict._network, "find_people", find_people)
    people = predict([draw(640, 360), draw(640, 360, 1), draw(90, 300)])
    assert seen == [((64, 96), [(96, 54)] * 2), ((96, 32), [(29, 96)])]
    for found, (width, height) in zip(people, [(640, 360), (640, 360), (90, 300)], strict=True):
        np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, width / 2, height]], rtol=1e-6)


def test_input_has_the_shorter_side(make_predictor, monkeypatch):
    predict, _ = make_predictor(longest_side_px=128, shorter_side_px=48)
    seen = []

    def find_people(outputs, input_hw, sizes_wh, parts, choice):
        seen.append((input_hw, sizes_wh))
        columns = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0), "scores": torch.zeros(0)}
        return [columns] * len(sizes_wh)

    monkeypatch.setattr(predict._network, "find_people", find_people)
    predict([draw(100, 80), draw(500, 100)])
    assert seen == [((64, 64), [(60, 48)]), ((32, 128), [(128, 26)])]


def test_batch_is_single_and_sizes_mix(make_predictor):
    predict, _ = make_predictor()
    images = [draw(120, 90, 1), draw(120, 90, 2), draw(64, 130, 3)]
    for image, found in zip(images, predict(images), strict=True):
        (alone,) = predict([image])
        np.testing.assert_allclose(found.boxes_xyxy, alone.boxes_xyxy, atol=1e-2)
        np.testing.assert_allclose(found.box_scores, alone.box_scores, atol=1e-4)
    assert predict([]) == []


def test_threshold_and_nms_are_as_configured(make_predictor):
    image = draw(96, 96)
    (everyone,) = make_predictor(score_threshold=0.05, nms_iou=0.9)[0]([image])
    predict, network = make_predictor(score_threshold=0.6, nms_iou=0.9)
    (sure,) = predict([image])
    # The network in hand keeps its own.
    assert (network.roi_heads.score_thresh, network.roi_heads.nms_thresh) == (0.05, 0.5)
    (apart,) = make_predictor(score_threshold=0.05, nms_iou=0.2)[0]([image])
    assert (sure.box_scores >= 0.6).all()
    assert len(sure) < len(everyone)
    assert len(apart) < len(everyone)


def test_openvino_finds_the_same(make_predictor):
    openvino = Compute(torch.device("cpu"), engine="openvino", precision="f32")
    image = draw(96, 96)
    (wanted,) = make_predictor()[0]([image])
    (found,) = make_predictor(openvino)[0]([image])
    assert len(found) == len(wanted)
    np.testing.assert_allclose(found.boxes_xyxy, wanted.boxes_xyxy, atol=0.05)
    np.testing.assert_allclose(found.box_scores, wanted.box_scores, atol=1e-3)
