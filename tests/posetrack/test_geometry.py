import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.geometry import crop_boxes, expand_boxes, flip_points, resize_to_multiple, uncrop_points
from posetrack.skeleton import COCO_17

sides = st.floats(1, 500)
places = st.floats(-300, 900)
boxes = st.tuples(places, places, sides, sides).map(
    lambda b: np.array([[b[0], b[1], b[0] + b[2], b[1] + b[3]]], np.float32)
)


@given(box=boxes, margin=st.floats(0, 1), aspect=st.sampled_from([None, 1.0, 0.75]))
def test_expanded_boxes_keep_their_centre_and_hold_the_old_ones(box, margin, aspect):
    wide = expand_boxes(box, margin, aspect)
    np.testing.assert_allclose(wide[:, :2] + wide[:, 2:], box[:, :2] + box[:, 2:], atol=1e-2)
    assert (wide[:, :2] <= box[:, :2] + 1e-2).all()
    assert (wide[:, 2:] >= box[:, 2:] - 1e-2).all()
    size = (wide[:, 2:] - wide[:, :2])[0]
    if aspect is None:
        np.testing.assert_allclose(size, (box[:, 2:] - box[:, :2])[0] * (1 + margin), rtol=1e-3, atol=1e-2)
    else:
        assert size[0] / size[1] == pytest.approx(aspect, rel=1e-2)


@given(box=boxes, points=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4))
def test_uncrop_takes_the_corners_to_the_corners_and_the_rest_between(box, points):
    relative = np.array([points], np.float32)
    there = uncrop_points(relative, box)
    back = (there - box[:, None, :2]) / (box[:, 2:] - box[:, :2])[:, None]
    np.testing.assert_allclose(back, relative, atol=1e-2)


@settings(max_examples=60, deadline=None)
@given(x=st.integers(20, 580), y=st.integers(20, 380), grow=st.floats(1.0, 12.0), shift=st.tuples(sides, sides))
def test_a_mark_in_a_crop_uncrops_to_where_it_was(x, y, grow, shift):
    """What is cut out and mapped back is where it was, to half a pixel of the crop, whatever the scale."""
    image = np.zeros((400, 600, 3), np.uint8)
    image[y - 6 : y + 6, x - 6 : x + 6] = 255
    side = 48 * grow
    left, top = x - side * (0.2 + shift[0] / 900), y - side * (0.2 + shift[1] / 900)
    box = np.array([[left, top, left + side, top + side]], np.float32)
    crop = crop_boxes(image, box, (96, 96))[0, :, :, 0].astype(np.float64)
    assert crop.sum() > 0
    cells = np.arange(96) + 0.5
    middle = np.array([(crop.sum(0) * cells).sum(), (crop.sum(1) * cells).sum()]) / crop.sum() / 96
    found = uncrop_points(middle.reshape(1, 1, 2).astype(np.float32), box)[0, 0]
    np.testing.assert_allclose(found, [x, y], atol=max(0.5, 0.5 * side / 96))


def test_a_box_outside_the_image_is_black_and_one_on_its_edge_is_half_black():
    image = np.full((50, 50, 3), 200, np.uint8)
    crops = crop_boxes(image, np.array([[60, 60, 90, 90], [-20, 0, 20, 40], [-90, -90, -60, -60]]), (40, 40))
    assert crops[0].max() == 0
    assert crops[2].max() == 0
    assert crops[1][:, :19].max() == 0
    assert crops[1][1:-1, 21:].min() == 200


def test_crops_of_nobody():
    assert crop_boxes(np.zeros((5, 5, 3), np.uint8), np.zeros((0, 4), np.float32), (8, 6)).shape == (
        0,
        6,
        8,
        3,
    )


@given(width=st.integers(1, 400), height=st.integers(1, 400))
@settings(max_examples=50, deadline=None)
def test_resizing_keeps_the_shape_and_pads_to_a_multiple(width, height):
    padded, (inner_width, inner_height) = resize_to_multiple(np.full((height, width, 3), 9, np.uint8), 128, 32)
    assert padded.shape[0] % 32 == 0
    assert padded.shape[1] % 32 == 0
    assert max(inner_width, inner_height) == max(padded.shape[:2]) == 128
    assert padded[: int(inner_height), : int(inner_width)].min() == 9
    assert padded[int(inner_height) :].sum() == padded[:, int(inner_width) :].sum() == 0
    if min(inner_width, inner_height) > 8:
        assert inner_width / inner_height == pytest.approx(width / height, rel=0.08)


def test_flipping_twice_is_nothing_and_once_swaps_sides():
    points = np.random.default_rng(0).uniform(0, 100, (2, 17, 2)).astype(np.float32)
    once = flip_points(points, COCO_17.flip_index, 100)
    np.testing.assert_allclose(flip_points(once, COCO_17.flip_index, 100), points, atol=1e-4)
    left, right = COCO_17.names.index("left_eye"), COCO_17.names.index("right_eye")
    np.testing.assert_allclose(once[:, left, 0], 100 - points[:, right, 0])
    np.testing.assert_allclose(once[:, left, 1], points[:, right, 1])
