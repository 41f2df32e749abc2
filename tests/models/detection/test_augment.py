import cv2
import numpy as np

from models.data.colors import change_colors, draw_color_change
from models.detection.augment import DetectionAugment, find_empty_part, place_at_random


def test_images_full_of_people_have_no_empty_part():
    assert find_empty_part(np.array([[10, 10, 130, 90]], np.float32), (140, 100)) is None
    assert find_empty_part(np.zeros((0, 4), np.float32), (140, 100)) == (0, 0, 140, 100)
    assert find_empty_part(np.array([[0, 40, 140, 100]], np.float32), (140, 100)) == (0, 0, 140, 35)


def test_places_keep_to_their_limits():
    config = DetectionAugment(aspect_factor=1.5)
    rng = np.random.default_rng(0)
    aspects, areas = [], []
    for _ in range(200):
        placement = place_at_random((100, 100), (200, 200), (50, 50, 150, 150), (0.5, 2.0), config, rng)
        (w, h), (x, y) = placement.size_wh, placement.corner_xy
        for corner, side in ((x, w), (y, h)):
            # Inside the window, or filling it.
            assert (
                (corner >= 50 and corner + side <= 150)
                if side <= 100
                else (corner <= 50 and corner + side >= 150)
            )
        aspects.append(w / h)
        areas.append((w * h) ** 0.5 / 200)
    assert 1 / 1.52 < min(aspects) < 0.75
    assert 1.35 < max(aspects) < 1.52
    assert 0.49 < min(areas) < 0.6
    assert 1.7 < max(areas) < 2.02


def test_colors_vary_within_their_limits():
    image = np.full((2, 2, 3), (200, 100, 50), np.uint8)
    rng = np.random.default_rng(0)

    def jitter(config):
        return change_colors(image, draw_color_change(config, rng))

    assert jitter(DetectionAugment()) is image
    grey = jitter(DetectionAugment(grey_fraction=1))
    assert np.ptp(grey[0, 0]) == 0
    bright = [
        cv2.cvtColor(jitter(DetectionAugment(brightness=0.2)), cv2.COLOR_RGB2HSV)[0, 0] for _ in range(40)
    ]
    values = np.array(bright)[:, 2]
    assert 158 <= values.min() < 175
    assert 225 < values.max() <= 241
    assert np.ptp(np.array(bright)[:, 0]) <= 2
