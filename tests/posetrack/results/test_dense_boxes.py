"""Boxes keep the whole pixels that they cover, whichever type they are in."""

import numpy as np
import pytest

from models.densepose.pixel_box import find_pixels
from posetrack.results.dense_boxes import BoxXYWH, give_xyxy, take_xywh, truncate_box


def make_boxes(rng, count):
    """Many of them with sides next to whole numbers, and some left of the image."""
    corners = rng.uniform(-200, 4000, (count, 2)).astype(np.float32)
    corners[::7] = corners[::7].round()
    sizes = rng.uniform(0.1, 900, (count, 2))
    sizes[::3] = sizes[::3].round() + rng.choice([-1e-5, -1e-7, 0, 1e-7], (len(sizes[::3]), 2))
    return np.concatenate([corners, corners + sizes.astype(np.float32).clip(0)], axis=1)


def test_boxes_of_people_come_back():
    boxes = make_boxes(np.random.default_rng(0), 5_000)
    for box in boxes:
        saved = take_xywh(box)
        assert truncate_box(saved) == find_pixels(box)
        given = give_xyxy(saved)
        assert find_pixels(given) == find_pixels(box)
        np.testing.assert_allclose(given, box, rtol=0, atol=1e-3)
    same = sum(np.array_equal(give_xyxy(take_xywh(box)), box) for box in boxes)
    assert same > 0.999 * len(boxes)


def test_boxes_of_files_keep_their_pixels():
    rng = np.random.default_rng(1)
    boxes = rng.uniform((-300, -300, 0, 0), (5000, 5000, 900, 900), (5_000, 4)).round(2)
    boxes[::2] = boxes[::2].round() + rng.choice([-1e-9, 0, 1e-9], (len(boxes[::2]), 4))
    for x, y, w, h in boxes.tolist():
        box = BoxXYWH(x, y, abs(w), abs(h))
        assert find_pixels(give_xyxy(box)) == truncate_box(box)
        np.testing.assert_allclose(give_xyxy(box), [x, y, x + box.w, y + box.h], rtol=0, atol=2e-3)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "box",
    [
        (1e5, -1e5, 1e5, 0.5),
        (-1e5, 0.25, 1e5 - 0.3, 1e5),
        (0.999999999, 0, 1, 0),
        (-0.5, -1e-30, 1e5, 1),
        (2**22, -(2**22), 2**22, 5),
    ],
)
def test_extreme_boxes(box):
    box = BoxXYWH(*map(float, box))
    assert find_pixels(give_xyxy(box)) == truncate_box(box)
