"""Bottom-up prediction: coordinates there and back, batches, the flip test, scales, devices."""

import numpy as np
import pytest
import torch
from reference.swahr_seer import Seer, paint, place_keypoints

from models.backbones.variants import HRNetConfig
from models.swahr.network import make_swahr_network
from models.swahr.variants import SwahrConfig
from posetrack.compute import Compute
from posetrack.images.on_device import DeviceImages
from posetrack.predictors.settings import BottomUpSettings
from posetrack.predictors.swahr import BottomUpPredictor
from posetrack.skeleton import COCO_17

DEVICES = [torch.device(name) for name in ("cpu", *(["cuda"] if torch.cuda.is_available() else []))]
SIDES = [COCO_17.side_of(name) for name in COCO_17.names]
# In continuous pixels: left, right, whether with blue.
PEOPLE = [((31.3, 12.7), (19.8, 14.1), False), ((50.2, 33.6), (39.9, 47.2), True)]
TINY = SwahrConfig(HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1))


def make_predictor(network=None, *, device_images=None, device=DEVICES[0], **settings):
    config = BottomUpSettings("seer", **{"shorter_side_px": 256, "score_threshold": 0.1, **settings})
    compute = Compute(device, engine="torch", precision="f32")
    return BottomUpPredictor((network or Seer(SIDES)).eval(), config, COCO_17, compute, device_images)


def check_people(instances, people, most_px):
    wanted = place_keypoints(people, SIDES)
    assert len(instances) == len(people)
    order = np.argsort(instances.keypoints_xy[:, 0, 0])
    np.testing.assert_allclose(instances.keypoints_xy[order], wanted, atol=most_px)
    assert (instances.keypoint_scores > 0.5).all()
    boxes = instances.boxes_xyxy[order]
    assert (boxes[:, None, :2] < wanted + most_px).all()
    assert (boxes[:, None, 2:] > wanted - most_px).all()


@pytest.mark.parametrize("size_wh", [(64, 64), (97, 61), (63, 120)])
@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), (1.5, 1.0, 0.5)])
def test_keypoints_come_back_where_they_are(size_wh, flip_test, scales):
    predict = make_predictor(flip_test=flip_test, scales=scales)
    (found,) = predict([paint(size_wh, PEOPLE, sigma=1.8)])
    # The input is four times as large, a cell half a pixel: less than the half pixel between the conventions.
    check_people(found, PEOPLE, most_px=0.3)
    assert (np.diff(found.box_scores) <= 0).all()


def test_projected_maps_have_finer_places():
    errors = {}
    for projected in (False, True):
        predict = make_predictor(shorter_side_px=64, projected=projected)
        (found,) = predict([paint((64, 64), PEOPLE, sigma=1.8)])
        order = np.argsort(found.keypoints_xy[:, 0, 0])
        errors[projected] = np.abs(found.keypoints_xy[order] - place_keypoints(PEOPLE, SIDES)).mean()
    # A cell of the maps is two pixels, one of the enlarged maps is one.
    assert errors[True] < errors[False] < 1


def test_half_stage_alone_leaves_the_coarser_heatmaps_out():
    class Blind(Seer):
        """Has tags alone at 1/4."""

        def forward(self, images):
            first, second = super().forward(images)
            blank = torch.zeros_like(second[:, :, ::2, ::2])
            return torch.cat([blank, first[:, blank.shape[1] :]], dim=1), second

    image = paint((64, 64), PEOPLE[:1], sigma=1.8)
    (both,), (half,) = (
        make_predictor(Blind(SIDES), stages=stages, min_peak=0.05)([image]) for stages in ("both", "half")
    )
    np.testing.assert_allclose(half.keypoint_scores, 2 * both.keypoint_scores, rtol=1e-4)
    np.testing.assert_array_equal(half.keypoints_xy, both.keypoints_xy)


def test_low_peaks_are_no_keypoints():
    image = paint((64, 64), PEOPLE[:1], sigma=1.8) // 4
    assert len(make_predictor(min_peak=0.1)([image])[0]) == 1
    assert len(make_predictor(min_peak=0.5)([image])[0]) == 0


def test_no_side_is_preferred_in_the_mean():
    """Networks count pixels from their middles, frames from their corners: half a pixel is between them."""
    rng = np.random.default_rng(0)
    predict = make_predictor(shorter_side_px=128)
    errors = []
    for _ in range(4):
        people = [((x, y), (x - 45, y + 10), False) for x, y in rng.uniform((70, 30), (150, 100), (1, 2))]
        (found,) = predict([paint((180, 140), people, sigma=4.0)])
        wanted = place_keypoints(people, SIDES)
        errors.append((found.keypoints_xy - wanted)[0, :2].copy())
    # A cell is 2.2 px.
    errors = np.concatenate(errors)
    assert np.abs(errors).max() < 0.8
    assert np.abs(errors.mean(axis=0)).max() < 0.3


def test_a_batch_is_its_images_one_by_one():
    sizes = []

    class Counting(Seer):
        def forward(self, images):
            sizes.append(tuple(images.shape))
            return super().forward(images)

    images = [paint((64, 60), PEOPLE[:count], sigma=1.8) for count in (2, 0, 1)]
    images.append(paint((60, 64), PEOPLE[1:], sigma=1.8))
    predict = make_predictor(Counting(SIDES))
    sizes.clear()
    together = predict(images)
    # Engines may split a batch, but those of one size share it.
    assert sum(shape[0] for shape in sizes) == 4
    assert sizes[0][0] > 1
    assert [len(found) for found in together] == [2, 0, 1, 1]
    for image, found in zip(images, together, strict=True):
        (alone,) = predict([image])
        np.testing.assert_allclose(found.keypoints_xy, alone.keypoints_xy, atol=1e-4)
        np.testing.assert_allclose(found.box_scores, alone.box_scores, atol=1e-5)


def test_nobody_is_no_people():
    predict = make_predictor()
    (found,) = predict([np.zeros((50, 70, 3), np.uint8)])
    assert found.keypoints_xy.shape == (0, 17, 2)
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.keypoint_scores.shape == (0, 17)
    assert predict([]) == []


def test_the_unsure_are_left_out():
    image = paint((64, 64), PEOPLE[:1], sigma=1.8) // 3
    assert len(make_predictor(score_threshold=0.2)([image])[0]) == 1
    assert len(make_predictor(score_threshold=0.5)([image])[0]) == 0


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_device_path_finds_the_same(device):
    images = [paint((64, 60), PEOPLE, sigma=1.8), paint((70, 90), PEOPLE[1:], sigma=1.8)]
    settings = {"flip_test": True, "scales": (1.0, 0.5)}
    on_cpu = make_predictor(**settings)(images)
    there = make_predictor(device=device, device_images=DeviceImages(device), **settings)(images)
    for one, other in zip(on_cpu, there, strict=True):
        assert len(one) == len(other)
        np.testing.assert_allclose(other.keypoints_xy, one.keypoints_xy, atol=0.3)
        np.testing.assert_allclose(other.keypoint_scores, one.keypoint_scores, atol=0.02)


def test_the_network_in_hand_is_not_changed():
    network = make_swahr_network(TINY, 17).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    compute = Compute(DEVICES[0], engine="torch", precision="f32")
    predict = BottomUpPredictor(network, BottomUpSettings("tiny", shorter_side_px=64), COCO_17, compute)
    # Random heatmaps are about 0: nobody is found for certain.
    assert len(predict([np.zeros((40, 40, 3), np.uint8)])[0]) == 0
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
