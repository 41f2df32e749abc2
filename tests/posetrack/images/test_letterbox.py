"""Whole images on canvases: where they lie, what is beside them, and the same on the device."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.letterbox import CANVAS_COLOR, unplace_points
from posetrack.images.letterbox import Letterbox
from posetrack.images.on_device import DeviceImages

CPU = torch.device("cpu")
DEVICES = [torch.device(name) for name in ("cpu", *(["cuda"] if torch.cuda.is_available() else []))]


def draw_spot(width, height, x, y, sigma):
    """An image with a bright spot about a point, in continuous pixels."""
    xs, ys = np.arange(width) + 0.5, np.arange(height) + 0.5
    spot = np.exp(-((xs - x) ** 2 + (ys[:, None] - y) ** 2) / (2 * sigma**2))
    return np.repeat((255 * spot).round().astype(np.uint8)[..., None], 3, axis=2)


@given(width=st.integers(1, 400), height=st.integers(1, 400))
@settings(max_examples=50, deadline=None)
def test_images_keep_their_shape_and_canvases_are_multiples(width, height):
    image = np.full((height, width, 3), 9, np.uint8)
    batch, placement = Letterbox(CPU, 128, fill=5)([image, image])
    assert batch.shape[0] == 2
    assert batch.shape[2] % 32 == batch.shape[3] % 32 == 0
    inner_w, inner_h = placement.size_wh
    assert max(inner_w, inner_h) == max(batch.shape[2:]) == 128
    (x, y), is_image = placement.corner_xy, torch.zeros(batch.shape[2:], dtype=torch.bool)
    is_image[y : y + inner_h, x : x + inner_w] = True
    assert (batch[:, :, is_image] == 9).all()
    assert (batch[:, :, ~is_image] == 5).all()
    if min(inner_w, inner_h) > 8:
        assert inner_w / inner_h == pytest.approx(width / height, rel=0.08)


@pytest.mark.parametrize("longest_side_px", [96, 256, 320, 640])
@pytest.mark.parametrize("size_wh", [(320, 200), (243, 311)])
def test_a_spot_is_found_where_it_was_drawn(size_wh, longest_side_px):
    batch, placement = Letterbox(CPU, longest_side_px, fill=0)([draw_spot(*size_wh, 141.7, 88.2, sigma=9.0)])
    grey = batch[0, 0].double().numpy()
    cells_x, cells_y = (np.arange(side) + 0.5 for side in grey.shape[::-1])
    middle = np.array([(grey.sum(0) * cells_x).sum(), (grey.sum(1) * cells_y).sum()]) / grey.sum()
    np.testing.assert_allclose(unplace_points(middle, placement), (141.7, 88.2), atol=0.1)


def test_shorter_sides_are_met_until_the_longer_one_is_too_long():
    wide = np.zeros((50, 100, 3), np.uint8)
    batch, placement = Letterbox(CPU, longest_side_px=1333, shorter_side_px=80)([wide])
    assert placement.size_wh == (160, 80)
    assert batch.shape == (1, 3, 96, 160)
    batch, placement = Letterbox(CPU, longest_side_px=130, shorter_side_px=80)([wide])
    assert placement.size_wh == (130, 65)
    assert batch.shape == (1, 3, 96, 160)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("longest_side_px", [64, 96, 256])
def test_canvases_on_the_device_are_the_same(device, longest_side_px):
    image = np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    images = [np.kron(image, np.ones((16, 16, 1))).astype(np.uint8), np.full((144, 192, 3), 40, np.uint8)]
    wanted, placement = Letterbox(CPU, longest_side_px)(images)
    found, found_placement = Letterbox(device, longest_side_px, device_images=DeviceImages(device))(images)
    assert found_placement == placement
    assert found.device.type == device.type
    assert (
        found.shape
        == wanted.shape
        == (2, 3, longest_side_px * 3 // 4 + -longest_side_px * 3 // 4 % 32, longest_side_px)
    )
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert (found.cpu().short() - wanted.short()).abs().max() <= 1
    assert (wanted[:, :, placement.size_wh[1] :] == CANVAS_COLOR).all()
