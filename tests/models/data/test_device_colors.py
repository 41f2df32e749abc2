import cv2
import numpy as np
import torch

from models.data.augment import AugmentConfig
from models.data.colors import ColorChange, change_colors, draw_color_change
from models.data.device_colors import (
    convert_to_hsv,
    convert_to_rgb,
    fill_rectangles,
    grey_images,
    look_up_colors,
)


def make_images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 20, 30, 3), dtype=np.uint8)


def test_conversions_are_those_of_opencv():
    image = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), axis=-1).astype(np.uint8).reshape(52, -1, 3)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    found = convert_to_hsv(torch.from_numpy(image)).numpy().astype(int)
    turn = np.abs(found[..., 0] - hsv[..., 0])
    assert np.minimum(turn, 180 - turn).max() <= 1
    assert np.abs(found[..., 1:] - hsv[..., 1:]).max() <= 1
    assert found[..., 0].max() < 180
    back = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(int)
    assert np.abs(convert_to_rgb(torch.from_numpy(hsv)).numpy() - back).max() <= 1


def test_a_batch_is_changed_as_its_images():
    images, rng = make_images(6), np.random.default_rng(1)
    config = AugmentConfig(hue_deg=20, saturation=0.4, brightness=0.4, grey_fraction=0.5)
    changes = [draw_color_change(config, rng) for _ in images]
    assert {change.is_grey for change in changes} == {True, False}
    batch = grey_images(torch.from_numpy(images), torch.tensor([change.is_grey for change in changes]))
    for image, change, grey in zip(images, changes, batch.numpy(), strict=True):
        assert np.abs(change_colors(image, ColorChange(change.is_grey, None)).astype(int) - grey).max() <= 1
    found = look_up_colors(batch, torch.from_numpy(np.stack([change.table for change in changes]))).numpy()
    for image, change, changed in zip(images, changes, found, strict=True):
        difference = np.abs(change_colors(image, change).astype(int) - changed)
        assert difference.max() <= 12  # a step of the hue of a saturated colour
        assert difference.mean() < 0.3


def test_rectangles_are_filled():
    images = torch.from_numpy(make_images(2))
    boxes, colors = torch.tensor([[3, 4, 10, 6], [0, 0, 0, 0]]), torch.tensor([[1, 2, 3], [4, 5, 6]]).byte()
    found = fill_rectangles(images, boxes, colors)
    expected = images.clone()
    expected[0, 4:6, 3:10] = colors[0]
    assert torch.equal(found, expected)
