import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.letterbox import (
    CANVAS_COLOR,
    Placement,
    cut_boxes,
    fit_image,
    fit_to_sides,
    make_canvas,
    paste_image,
    place_boxes,
    place_points,
    resize_image,
    unplace_boxes,
    unplace_points,
)

SIDE = st.integers(8, 900)


@given(SIDE, SIDE, st.integers(1, 20), st.integers(1, 20))
def test_images_fit_the_canvas_unsquashed_at_its_top_left(width, height, columns, rows):
    canvas_wh = (32 * columns, 32 * rows)
    placement = fit_image((width, height), canvas_wh)
    assert placement.corner_xy == (0, 0)
    w, h = placement.size_wh
    # One side is filled, and both are scaled alike but for half a pixel.
    scale = min(canvas_wh[0] / width, canvas_wh[1] / height)
    assert (w, h) == (max(1, round(width * scale)), max(1, round(height * scale)))
    assert w == canvas_wh[0] or h == canvas_wh[1]


@pytest.mark.parametrize(
    ("image_wh", "sides", "size_wh", "canvas_wh"),
    [
        ((640, 360), (512,), (512, 288), (512, 288)),
        ((360, 640), (416,), (234, 416), (256, 416)),
        # Detectron2's: the shorter side, unless the longer one would be too long.
        ((640, 480), (1333, 800), (1067, 800), (1088, 800)),
        ((1920, 720), (1333, 800), (1333, 500), (1344, 512)),
        ((900, 1), (64,), (64, 1), (64, 32)),
    ],
)
def test_images_meet_their_sides_at_the_top_left(image_wh, sides, size_wh, canvas_wh):
    placement, found_wh = fit_to_sides(image_wh, *sides)
    assert placement == Placement(image_wh, size_wh, (0, 0))
    assert found_wh == canvas_wh


def test_reducing_averages_and_enlarging_is_linear():
    board = (np.indices((40, 60)).sum(axis=0) % 2 * 250).astype(np.uint8)[..., None].repeat(3, axis=2)
    grey = resize_image(board, (20, 10))
    assert grey.shape == (10, 20, 3)
    assert (grey == 125).all()
    ramp = np.array([[0, 100]], np.uint8)[..., None].repeat(3, axis=2)
    np.testing.assert_allclose(resize_image(ramp, (4, 1))[0, :, 0], [0, 25, 75, 100], atol=1)


@given(
    st.tuples(SIDE, SIDE),
    st.tuples(SIDE, SIDE),
    st.tuples(st.integers(-300, 300), st.integers(-300, 300)),
    st.booleans(),
    st.tuples(*[st.floats(0, 1)] * 4),
)
def test_boxes_and_points_come_back(image_wh, size_wh, corner_xy, is_flipped, fractions):
    placement = Placement(image_wh, size_wh, corner_xy, is_flipped)
    (x1, x2), (y1, y2) = sorted(fractions[:2]), sorted(fractions[2:])
    box = np.array([[x1, y1, x2, y2]], np.float32) * np.array([*image_wh, *image_wh], np.float32)
    placed = place_boxes(box, placement)
    assert (placed[:, 2:] >= placed[:, :2]).all()
    np.testing.assert_allclose(unplace_boxes(placed, placement), box, atol=0.05)
    points = box.reshape(1, 2, 2)
    np.testing.assert_allclose(unplace_points(place_points(points, placement), placement), points, atol=0.05)


def test_boxes_are_cut_where_the_image_ends():
    placement = fit_image((100, 50), (64, 64))
    box = unplace_boxes([[-5, -5, 70, 70]], placement)
    np.testing.assert_allclose(box, [[0, 0, 100, 50]])


@pytest.mark.parametrize("is_flipped", [False, True])
def test_boxes_lie_where_the_image_shows_them(is_flipped):
    image = np.zeros((60, 100, 3), np.uint8)
    image[10:30, 20:50] = 255
    placement = Placement((100, 60), (200, 240), (-20, 16), is_flipped)
    canvas = make_canvas((160, 288))
    paste_image(canvas, image, placement, (0, 0, 160, 288))
    rows, columns = np.nonzero(canvas[..., 0] > 200)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    cut, _ = cut_boxes(place_boxes([[20, 10, 50, 30]], placement), (0, 0, 160, 288))
    np.testing.assert_allclose(seen, cut[0], atol=1.5)


def test_nothing_is_drawn_outside_the_window():
    canvas = make_canvas((40, 40))
    window = (10, 5, 30, 20)
    paste_image(canvas, np.zeros((40, 40, 3), np.uint8), Placement((40, 40), (40, 40), (0, 0)), window)
    is_drawn = (canvas == 0).all(axis=2)
    assert is_drawn[5:20, 10:30].all()
    assert is_drawn.sum() == 15 * 20
    assert (canvas[~is_drawn] == CANVAS_COLOR).all()
    # Far away, nothing.
    paste_image(canvas, np.full((8, 8, 3), 9, np.uint8), Placement((8, 8), (8, 8), (100, 100)), (0, 0, 40, 40))
    assert not (canvas == 9).any()


def test_cut_boxes_tell_how_much_is_left():
    boxes = np.array([[0, 0, 10, 10], [-10, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    cut, visible = cut_boxes(boxes, (0, 0, 20, 20))
    np.testing.assert_allclose(cut[:2], [[0, 0, 10, 10], [0, 0, 10, 10]])
    np.testing.assert_allclose(visible, [1, 0.5, 0])
