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

from models.data.crop import crop_image, make_crop_matrices
from models.data.letterbox import resize_image
from posetrack.images.on_device import DeviceImages, resize_on_device, warp_crops
from posetrack.video.source import open_video
from trackers.shrink import halve_image

STREET = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
DEVICES = [torch.device(name) for name in ("cpu", *(["cuda"] if torch.cuda.is_available() else []))]
# OpenCV 4 places the pixels of a crop to 1/32 pixel only.
EXACT = int(cv2.__version__.partition(".")[0]) >= 5

on_devices = pytest.mark.parametrize("device", DEVICES, ids=str)


@cache
def read_street():
    with open_video(STREET) as video:
        return [frame.image for frame in islice(video, 84, 109, 12)]


def cut(images, matrices, size_wh, *, device=DEVICES[0]):
    crops = warp_crops(DeviceImages(device).upload(images), matrices, size_wh)
    assert crops.is_contiguous(memory_format=torch.channels_last)
    return crops.permute(0, 2, 3, 1).cpu().numpy()


def cut_by_opencv(images, matrices, size_wh):
    return np.stack([crop_image(i, m, size_wh) for i, maps in zip(images, matrices, strict=True) for m in maps])


def resize(images, size_wh, *, device=DEVICES[0]):
    return resize_on_device(DeviceImages(device).upload(images), size_wh).cpu().numpy()


def resize_by_opencv(images, size_wh):
    return np.stack([resize_image(halve_image(image, size_wh), size_wh) for image in images])


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
    matrices = []
    for image in images:
        centres = rng.uniform(0, 1, (12, 2)) * image.shape[1::-1]
        # From a few pixels, enlarged, to more than the whole image, partly outside, turned and not.
        widths = np.exp(rng.uniform(np.log(8), np.log(900), 12))
        matrices.append(make_crop_matrices(centres, widths, size_wh, rotations_deg=np.arange(12) % 3 * 20.0))
    wanted = cut_by_opencv(images, matrices, size_wh)
    found = cut(images, matrices, size_wh, device=device)
    assert wanted.mean() > 40
    assert_alike(found, wanted, mean=0.05 if EXACT else 0.5, most=2 if EXACT else 24)


places = st.floats(-60, 160)
widths = st.floats(-1.0, 8.0).map(lambda power: 2.0**power)


@given(
    image_wh=st.tuples(st.integers(1, 120), st.integers(1, 120)),
    regions=st.lists(st.tuples(places, places, widths), min_size=1, max_size=4),
    size_wh=st.sampled_from([(16, 16), (24, 32), (1, 5)]),
)
@settings(max_examples=80, deadline=None)
def test_crops_are_those_of_opencv_wherever_the_region_is(image_wh, regions, size_wh):
    """Partly and wholly outside too: the gradient is never black, so a border filled otherwise would show."""
    image = make_gradient(*image_wh)
    table = np.array(regions)
    matrices = [make_crop_matrices(table[:, :2], table[:, 2], size_wh)]
    # A pixel step of a small image's gradient, or its border, over 32 is what OpenCV 4 may be off.
    most = 2 if EXACT else 2 + 255 // 16
    assert_alike(cut([image], matrices, size_wh), cut_by_opencv([image], matrices, size_wh), mean=1, most=most)


def test_no_images_and_no_regions():
    none = np.zeros((0, 2, 3))
    assert cut([], [], (8, 6)).shape == (0, 6, 8, 3)
    assert cut([make_gradient(5, 4), make_gradient(3, 9)], [none, none], (8, 6)).shape == (0, 6, 8, 3)
    with pytest.raises(ValueError, match="zip"):
        cut([make_gradient(5, 4)], [none, none], (8, 6))


@on_devices
@pytest.mark.parametrize("longest_side_px", [128, 320, 448, 640, 704])
def test_images_of_a_street_are_resized_as_by_opencv(device, longest_side_px):
    images = read_street()
    height, width = images[0].shape[:2]
    size_wh = longest_side_px, round(height * longest_side_px / width)
    found = resize(images, size_wh, device=device)
    assert_alike(found, resize_by_opencv(images, size_wh), mean=0.2, most=1)


@given(
    image_wh=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    longest_side_px=st.sampled_from([32, 64, 96]),
)
@settings(max_examples=40, deadline=None)
def test_images_of_any_size_are_resized_as_by_opencv(image_wh, longest_side_px):
    image = make_gradient(*image_wh)
    width, height = (max(1, round(side * longest_side_px / max(image_wh))) for side in image_wh)
    found, wanted = (way([image], (width, height)) for way in (resize, resize_by_opencv))
    assert_alike(found, wanted, mean=0.5, most=1)


def test_only_images_of_one_size_are_resized_together():
    with pytest.raises(RuntimeError, match="equal size"):
        resize([make_gradient(8, 6), make_gradient(6, 8)], (32, 32))


@on_devices
def test_images_arrive_as_they_are_however_they_lie_in_memory(device):
    image = make_gradient(20, 10)
    locked = image.copy()
    locked.flags.writeable = False
    views = [image[:, ::-1], image[2:7, 3:9], image[..., ::-1], locked]
    for view, uploaded in zip(views, DeviceImages(device).upload(views), strict=True):
        assert uploaded.device.type == device.type
        np.testing.assert_array_equal(uploaded.cpu().numpy(), view)


@on_devices
def test_the_last_images_are_copied_once(device):
    device_images = DeviceImages(device, remembered=2)
    images = [make_gradient(9, 7) for _ in range(3)]
    (first,) = device_images.upload(images[:1])
    again, _second = device_images.upload(images[:2])
    assert again is first
    # The same content in another array is another image; the third one pushes the first out.
    (third,) = device_images.upload(images[2:])
    assert third is not first
    assert device_images.upload(images[2:])[0] is third
    assert device_images.upload(images[:1])[0] is not first


def test_an_array_that_is_gone_is_not_taken_for_a_new_one_and_nothing_is_remembered_unasked():
    device_images = DeviceImages(DEVICES[0], remembered=8)
    for level in range(20):  # freed arrays come back at the same address
        image = np.full((6, 5, 3), level, np.uint8)
        assert (device_images.upload([image])[0] == level).all()
        del image
    forgetful, image = DeviceImages(DEVICES[0]), np.zeros((6, 5, 3), np.uint8)
    forgetful.upload([image])
    image[:] = 7
    assert (forgetful.upload([image])[0] == 7).all()
