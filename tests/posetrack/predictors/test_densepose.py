"""Dense poses of whole images: from detections, and in given boxes, in the images' own pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_densepose import make_small_densepose

from models.densepose.codec import decode_dense_pose, to_bytes
from models.densepose.pixel_box import find_pixels
from models.densepose.variants import NETWORKS
from models.detection.heads import BoxHeads
from models.rcnn.variants import NETWORKS as RCNN_NETWORKS
from posetrack.compute import Compute
from posetrack.predictors.densepose import DensePosePredictor
from posetrack.predictors.settings import TwoStageSettings

EAGER = Compute(torch.device("cpu"), engine="torch", precision="f32")
OPENVINO = Compute(torch.device("cpu"), engine="openvino", precision="f32")


def make_predictor(compute=EAGER, **settings):
    asked = {"longest_side_px": 128, "score_threshold": 0.05, "nms_iou": 0.5, **settings}
    return DensePosePredictor(make_small_densepose(), TwoStageSettings("small", **asked), compute)


def draw(width, height, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    return np.kron(noise, np.ones((8, 8, 1))).astype(np.uint8)[:height, :width]


def test_dense_poses_are_those_of_the_network_over_the_pixels_of_the_boxes():
    image = draw(128, 96)
    with torch.inference_mode():
        (wanted,) = make_small_densepose()(torch.from_numpy(image).permute(2, 0, 1)[None], sizes_wh=[(128, 96)])
    (found,) = make_predictor()([image])
    assert 1 < len(found) == len(found.dense) <= 100
    np.testing.assert_allclose(found.boxes_xyxy, wanted["boxes"].numpy(), atol=1e-3)
    charts = set()
    for i, (box, dense) in enumerate(zip(found.boxes_xyxy, found.dense, strict=True)):
        region = find_pixels(box)
        assert dense.shape == (region.h, region.w, 3)
        outputs = {name: wanted[name][i] for name in ("coarse", "fine", "u", "v")}
        own = to_bytes(*decode_dense_pose(outputs, region)).permute(1, 2, 0).numpy()
        # Rounding may change the part of a pixel that lies between two.
        assert (dense == own).all(axis=2).mean() > 0.99
        charts |= set(np.unique(dense[..., 0]).tolist())
    assert len(charts) > 3


@pytest.mark.parametrize("compute", [EAGER, OPENVINO], ids=["torch", "openvino"])
def test_given_boxes_get_the_dense_poses_of_the_same_detections(compute):
    predict = make_predictor(compute)
    images = [draw(200, 150), draw(200, 150, seed=1), draw(90, 160, seed=2)]
    people = predict(images)
    dense = predict.estimate_dense(images, [each.boxes_xyxy for each in people])
    assert sum(map(len, people)) > 3
    for each, poses in zip(people, dense, strict=True):
        assert [pose.shape for pose in poses] == [pose.shape for pose in each.dense]
        same = [(a == b).all(axis=2).mean() for a, b in zip(poses, each.dense, strict=True)]
        assert min(same, default=1) > 0.98


def test_images_without_boxes_cost_nothing_and_keep_their_places(monkeypatch):
    predict = make_predictor()
    images = [draw(128, 96, seed=i) for i in range(3)]
    box = np.array([[10, 10, 60.7, 90.2]], np.float32)
    none = np.zeros((0, 4), np.float32)
    (alone,) = predict.estimate_dense(images[1:2], [box])
    calls = []
    run = predict._run_image_part
    monkeypatch.setattr(predict, "_run_image_part", lambda images: calls.append(len(images)) or run(images))
    first, second, third = predict.estimate_dense(images, [none, box, none])
    assert (first, third, calls) == ((), (), [1])
    np.testing.assert_array_equal(second[0], alone[0])
    assert predict.estimate_dense(images, [none] * 3) == [(), (), ()]
    assert predict.estimate_dense([], []) == []
    assert calls == [1]


def test_boxes_may_reach_out_of_the_image_and_be_thin():
    (poses,) = make_predictor().estimate_dense(
        [draw(128, 96)], [np.array([[-20.9, -5.5, 30.2, 200], [50, 50, 50.4, 50.3]], np.float32)]
    )
    assert [pose.shape for pose in poses] == [(205, 51, 3), (1, 1, 3)]


def test_fewer_proposals_are_the_best_ones(monkeypatch):
    image, seen = draw(128, 96), []
    find_people = BoxHeads.find_people

    def look(heads, pyramid, proposals, sizes_hw, parts, choice):
        seen.append((proposals[0], choice.nms_iou))
        return find_people(heads, pyramid, proposals, sizes_hw, parts, choice)

    monkeypatch.setattr(BoxHeads, "find_people", look)
    for settings in ({}, {"proposals": 5, "nms_iou": 0.3}, {"proposals": 60}):
        make_predictor(**settings)([image])
    (usual, _), (few, iou), (many, _) = seen
    assert (len(usual), len(few), iou) == (32, 5, 0.3)
    assert torch.equal(few, usual[:5])
    assert len(many) > len(usual)
    assert torch.equal(many[:32], usual)


@pytest.mark.parametrize(
    ("given", "sides"),
    [
        ({}, (160, 64)),
        ({"longest_side_px": 320}, (320, 64)),
        ({"longest_side_px": 320, "shorter_side_px": 0}, (320, 0)),
        ({"shorter_side_px": 96}, (160, 96)),
    ],
)
def test_input_has_the_sides_that_the_network_was_made_for(given, sides):
    network = make_small_densepose()
    network.config = replace(network.config, input_sides_px=(160, 64))
    predict = DensePosePredictor(network, TwoStageSettings("small", **given), EAGER)
    assert (predict._letterbox.longest_side_px, predict._letterbox.shorter_side_px) == sides


def test_our_network_is_made_for_small_images():
    assert NETWORKS["movenet-densepose"].input_sides_px == RCNN_NETWORKS["movenet-person"].input_sides_px
    assert (
        NETWORKS["densepose-r50"].input_sides_px == NETWORKS["mobile-parsing-b"].input_sides_px == (1333, 800)
    )
