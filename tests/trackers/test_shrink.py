import cv2
import numpy as np
import pytest

from trackers.shrink import count_halvings, shrink_image


@pytest.mark.parametrize(
    ("image_wh", "new_wh", "halvings"),
    [
        ((1920, 1080), (512, 288), 1),
        ((3840, 2160), (512, 288), 2),
        ((1280, 720), (640, 360), 1),
        ((1280, 720), (641, 360), 0),
        ((1279, 720), (320, 180), 0),
        ((64, 64), (64, 64), 0),
        ((8, 4), (1, 1), 2),
    ],
)
def test_images_are_halved_while_they_stay_large_enough(image_wh, new_wh, halvings):
    assert count_halvings(image_wh, new_wh) == halvings


@pytest.mark.parametrize("channels", [(), (3,)])
def test_result_is_the_average_over_areas(channels):
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 256, (68, 120, *channels), np.uint8)
    image = np.asarray(cv2.resize(rough, (1920, 1080), interpolation=cv2.INTER_CUBIC), np.uint8)
    wanted = cv2.resize(image, (512, 288), interpolation=cv2.INTER_AREA).astype(int)
    found = shrink_image(image, (512, 288))
    assert found.shape == (288, 512, *channels)
    assert found.dtype == np.uint8
    assert np.abs(found - wanted).mean() < 1


def test_nothing_moves():
    ramp = np.broadcast_to(np.linspace(0, 255, 1600).round().astype(np.uint8), (900, 1600))
    found = shrink_image(np.ascontiguousarray(ramp), (200, 112)).astype(float)
    # A pixel of the result stands for 8 of the image's, 1.28 grey levels.
    assert np.abs(found[50] - (np.arange(200) + 0.5) / 200 * 255).max() < 1.28
