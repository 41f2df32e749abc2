"""Cutting and resizing on a device against OpenCV; on the CPU, and on a GPU where there is one."""

from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.backbones.variants import MOVENET_MULTIPOSE, MOVENET_THUNDER
from models.checkpoints import load_embedded
from models.movenet.network import MoveNet
from posetrack.compute import Compute
from posetrack.geometry import crop_boxes, resize_to_multiple
from posetrack.predictors.device_images import DeviceImages, cut_crops, resize_images
from posetrack.predictors.movenet import (
    MultiposePredictor,
    ThunderPredictor,
)
from posetrack.predictors.settings import MultiposeSettings, ThunderSettings
from posetrack.video.source import open_video

STREET = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
DEVICES = [torch.device(name) for name in ("cpu", *(["cuda"] if torch.cuda.is_available() else []))]
# OpenCV 4 places the pixels of a crop to 1/32 pixel only.
EXACT = int(cv2.__version__.partition(".")[0]) >= 5

on_devices = pytest.mark.parametrize("device", DEVICES, ids=str)


@cache
def read_street():
    with open_video(STREET) as video:
        return [frame.image for frame in islice(video, 84, 109, 12)]


def cut(images, boxes_xyxy, size_wh, *, device=DEVICES[0], batch_crops=64):
    """All crops as `crop_boxes` would give them, (N, height, width, 3)."""
    uploaded = DeviceImages(device).upload(images)
    crops = list(cut_crops(uploaded, boxes_xyxy, size_wh, batch_crops=batch_crops))
    assert all(crop.is_contiguous(memory_format=torch.channels_last) for crop in crops)
    none = torch.zeros(0, 3, size_wh[1], size_wh[0], dtype=torch.uint8, device=device)
    return torch.cat([none, *crops]).permute(0, 2, 3, 1).cpu().numpy()


def assert_alike(found, wanted, *, mean, most):
    assert found.dtype == wanted.dtype == np.uint8
    assert found.shape == wanted.shape
    difference = np.abs(found.astype(np.int64) - wanted)
    assert difference.max(initial=0) <= most
    assert difference.sum() <= mean * difference.size


def make_gradient(width, height):
    """Brighter to the right, downwards and towards the middle; never black."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    middle = 1 - np.hypot(x - 0.5, y - 0.5)
    return np.stack([55 + 200 * x, 255 - 200 * y, 55 + 200 * middle], axis=2).astype(np.uint8)


@on_devices
@pytest.mark.parametrize("size_wh", [(48, 48), (96, 128)])
def test_crops_of_a_street_are_those_of_opencv(device, size_wh):
    rng = np.random.default_rng(0)
    images = read_street()
    boxes = []
    for image in images:
        centres = rng.uniform(0, 1, (12, 2)) * image.shape[1::-1]
        # From a few pixels, enlarged, to more than the whole image, reduced by an area average first.
        sides = np.exp(rng.uniform(np.log(8), np.log(900), (12, 1)))
        boxes.append(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float32))
    wanted = np.concatenate([crop_boxes(image, b, size_wh) for image, b in zip(images, boxes, strict=True)])
    assert_alike(
        cut(images, boxes, size_wh, device=device), wanted, mean=0.02 if EXACT else 0.2, most=1 if EXACT else 6
    )


@on_devices
@pytest.mark.parametrize("longest_side_px", [128, 320, 448, 640, 704])
def test_images_of_a_street_are_resized_as_by_opencv(device, longest_side_px):
    images = read_street()
    found, inner_wh = resize_images(DeviceImages(device).upload(images), longest_side_px, 32)
    assert found.is_contiguous(memory_format=torch.channels_last)
    wanted = [resize_to_multiple(image, longest_side_px, 32) for image in images]
    assert inner_wh == wanted[0][1]
    found = found.permute(0, 2, 3, 1).cpu().numpy()
    assert_alike(found, np.stack([image for image, _ in wanted]), mean=0.2, most=1)


@given(
    image_wh=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    longest_side_px=st.sampled_from([32, 64, 96]),
)
@settings(max_examples=40, deadline=None)
def test_images_of_any_size_are_resized_as_by_opencv(image_wh, longest_side_px):
    image = make_gradient(*image_wh)
    wanted, wanted_wh = resize_to_multiple(image, longest_side_px, 32)
    found, inner_wh = resize_images(DeviceImages(DEVICES[0]).upload([image]), longest_side_px, 32)
    assert inner_wh == wanted_wh
    assert_alike(found[0].permute(1, 2, 0).numpy(), wanted, mean=0.5, most=1)


places = st.floats(-120, 200)
sides = st.floats(-1.0, 7.0).map(lambda power: 2.0**power)


@given(
    image_wh=st.tuples(st.integers(1, 120), st.integers(1, 120)),
    boxes=st.lists(st.tuples(places, places, sides, sides), min_size=1, max_size=4),
    size_wh=st.sampled_from([(16, 16), (24, 32), (1, 5)]),
)
@settings(max_examples=120, deadline=None)
def test_crops_are_those_of_opencv_wherever_the_box_is(image_wh, boxes, size_wh):
    """Partly and wholly outside too: the gradient is never black, so a border filled otherwise would show."""
    image = make_gradient(*image_wh)
    xyxy = np.array([(x, y, x + width, y + height) for x, y, width, height in boxes], np.float32)
    # A pixel step of a small image's gradient, or its border, over 32 is what OpenCV 4 may be off.
    most = 2 if EXACT else 2 + 255 // 16
    assert_alike(cut([image], [xyxy], size_wh), crop_boxes(image, xyxy, size_wh), mean=0.5, most=most)


@pytest.mark.parametrize("reduction", [2, 3, 5.5])
def test_reducing_keeps_a_checkerboard_grey(reduction):
    """Without the area average every pixel would be one of the board's black or white ones."""
    y, x = np.mgrid[:200, :200]
    board = (((x + y) % 2) * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    side = int(30 * reduction)
    crop = cut([board], [np.array([[10, 10, 10 + side, 10 + side]], np.float32)], (30, 30))[0]
    assert np.abs(crop[1:-1, 1:-1].astype(int) - 128).max() <= 255 / reduction**2


def test_boxes_outside_are_black_and_those_of_one_pixel_are_that_pixel():
    image = make_gradient(40, 30)
    boxes = np.array([[50, 5, 60, 15], [-9, -9, -3, -3], [7, 8, 8, 9], [12, 13, 12, 13]], np.float32)
    crops = cut([image], [boxes], (9, 9))
    assert crops[:2].max() == 0
    assert (crops[2, 4, 4] == image[8, 7]).all()
    # A box without a size: all of the crop is the point between four pixels.
    around = image[12:14, 11:13].reshape(4, 3)
    assert (np.abs(crops[3] - around.mean(axis=0)) <= 1).all()
    assert_alike(crops, crop_boxes(image, boxes, (9, 9)), mean=0.5, most=1 if EXACT else 8)


def test_a_box_far_larger_than_the_image_is_reduced_as_by_opencv():
    image = make_gradient(60, 40)
    boxes = np.array([[-3000, -3000, 3200, 3200]], np.float32)
    crops = cut([image], [boxes], (64, 64))
    assert crops.max() > 20
    assert_alike(crops, crop_boxes(image, boxes, (64, 64)), mean=0.1, most=1 if EXACT else 16)


def test_no_images_and_no_boxes():
    none = np.zeros((0, 4), np.float32)
    assert cut([], [], (8, 6)).shape == (0, 6, 8, 3)
    assert cut([make_gradient(5, 4), make_gradient(3, 9)], [none, none], (8, 6)).shape == (0, 6, 8, 3)
    with pytest.raises(ValueError, match="zip"):
        cut([make_gradient(5, 4)], [none, none], (8, 6))


def test_images_of_different_sizes_fraction_batches():
    images = [make_gradient(64, 48), make_gradient(31, 77), make_gradient(200, 20)]
    boxes = [
        np.array([[3, 4, 30, 31], [-5, 0, 60, 65]], np.float32),
        np.zeros((0, 4), np.float32),
        np.array([[100, -2, 125, 23], [150, 5, 154, 9], [0, 0, 200, 200]], np.float32),
    ]
    wanted = np.concatenate([crop_boxes(i, b, (16, 16)) for i, b in zip(images, boxes, strict=True)])
    found = cut(images, boxes, (16, 16))
    assert_alike(found, wanted, mean=0.5, most=1 if EXACT else 8)
    for batch_crops in (1, 2, 5):
        np.testing.assert_array_equal(cut(images, boxes, (16, 16), batch_crops=batch_crops), found)
    batches = cut_crops(DeviceImages(DEVICES[0]).upload(images), boxes, (16, 16), batch_crops=2)
    assert [len(batch) for batch in batches] == [2, 2, 1]


def test_only_images_of_one_size_are_resized_together():
    uploaded = DeviceImages(DEVICES[0]).upload([make_gradient(8, 6), make_gradient(6, 8)])
    with pytest.raises(ValueError, match="one size"):
        resize_images(uploaded, 32, 32)


@on_devices
def test_images_arrive_as_they_are_however_they_lie_in_memory(device):
    image = make_gradient(20, 10)
    locked = image.copy()
    locked.flags.writeable = False
    for view in (image[:, ::-1], image[2:7, 3:9], image[..., ::-1], locked):
        uploaded = DeviceImages(device).upload([view])
        assert uploaded.sizes_wh == (view.shape[1::-1],)
        np.testing.assert_array_equal(uploaded.pixels.cpu().numpy().reshape(view.shape), view)


@on_devices
def test_the_last_images_are_copied_once(device):
    device_images = DeviceImages(device, remembered=2)
    images = [make_gradient(9, 7) for _ in range(3)]
    first = device_images.upload(images[:1]).pixels
    both = device_images.upload(images[:2]).pixels
    assert device_images.upload(images[:1]).pixels is first
    np.testing.assert_array_equal(both.cpu().numpy(), np.concatenate([i.reshape(-1, 3) for i in images[:2]]))
    # The same content in another array is another image; the third one pushes the first out.
    third = device_images.upload(images[2:]).pixels
    assert third is not first
    assert device_images.upload(images[2:]).pixels is third
    assert device_images.upload(images[:1]).pixels is not first


def test_an_array_that_is_gone_is_not_taken_for_a_new_one_and_nothing_is_remembered_unasked():
    device_images = DeviceImages(DEVICES[0], remembered=8)
    for level in range(20):  # freed arrays come back at the same address
        image = np.full((6, 5, 3), level, np.uint8)
        assert (device_images.upload([image]).pixels == level).all()
        del image
    forgetful, image = DeviceImages(DEVICES[0]), np.zeros((6, 5, 3), np.uint8)
    forgetful.upload([image])
    image[:] = 7
    assert (forgetful.upload([image]).pixels == 7).all()


@on_devices
def test_people_are_the_same_on_either_path(device):
    """Detector and estimator, end to end; the paths share networks and differ in who resizes and cuts."""
    compute = Compute(DEVICES[0], engine="torch", precision="f32")
    on_device = Compute(device, engine="torch", precision="f32")
    device_images = DeviceImages(device, remembered=4)
    images = read_street()
    # 320 halves the frames exactly; in other reduced images there is no difference at all.
    config = MultiposeSettings(
        "movenet-multipose", longest_side_px=320, score_threshold=0.2, nms_iou=0.6, nms_oks=0.8
    )
    multipose = load_movenet(MOVENET_MULTIPOSE, "movenet-multipose")
    wanted = MultiposePredictor(multipose, config, compute)(images)
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
    wanted_poses = ThunderPredictor(thunder, config, compute)([*images, images[0]], [*boxes, boxes[0][:0]])
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
    sure = wanted_scores > 0.3
    assert sure.sum() >= 5 * len(sure)
    np.testing.assert_allclose(xy[sure], wanted_xy[sure], atol=most_px)
