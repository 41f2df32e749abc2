import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.trackers_flow import naive_move

from trackers.flow import FLOWS, estimate_flow_after_pan, move_points, reduce_to_gray


def make_texture(height, width, seed=0):
    """Blurred noise of two grains, (height, width) uint8."""
    rng = np.random.default_rng(seed)
    image = sum(
        cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), grain) * grain for grain in (2.0, 8.0)
    )
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("shift_xy", [(0, 0), (3, -2), (-7, 5), (12, 0)])
def test_flow_of_a_shifted_texture_is_the_shift(name, shift_xy):
    dx, dy = shift_xy
    texture = make_texture(260, 360)
    previous = texture[30:210, 30:330]
    current = texture[30 - dy : 210 - dy, 30 - dx : 330 - dx]
    flow = FLOWS[name]()(np.ascontiguousarray(previous), np.ascontiguousarray(current))
    assert flow.shape == (180, 300, 2)
    assert flow.dtype == np.float32
    inner = flow[20:-20, 20:-20]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)), shift_xy, atol=0.2)
    assert np.abs(inner - shift_xy).max() < 0.5


@pytest.mark.parametrize("shift_xy", [(22, 0), (-22, 9), (40, -12), (0, 60), (100, 0)])
def test_farneback_starts_from_the_shift_of_the_whole_image(shift_xy):
    dx, dy = shift_xy
    texture = make_texture(400, 560)
    previous = texture[100:300, 130:430].copy()
    current = texture[100 - dy : 300 - dy, 130 - dx : 430 - dx].copy()
    flow = FLOWS["farneback"]()(previous, current)
    inner = flow[20 + max(-dy, 0) : 180 - max(dy, 0), 20 + max(-dx, 0) : 280 - max(dx, 0)]
    assert np.abs(inner - shift_xy).max() < 0.5


def test_farneback_does_not_start_from_a_shift_that_fits_worse():
    """A person walks in front of a wall that stands still."""
    wall, person = make_texture(180, 300), make_texture(60, 40, seed=5)
    previous, current = wall.copy(), wall.copy()
    previous[60:120, 100:140] = person
    current[60:120, 106:146] = person
    flow = FLOWS["farneback"]()(previous, current)
    np.testing.assert_allclose(np.median(flow[65:115, 108:132], axis=(0, 1)), (6, 0), atol=0.3)
    assert np.abs(flow[:, 200:]).max() < 0.1


@pytest.mark.parametrize("name", FLOWS)
def test_a_long_pan_is_found_once_the_whole_image_is_shifted_back(name):
    texture = make_texture(200, 640)
    previous, current = texture[:, 150:550].copy(), texture[:, 50:450].copy()
    flow = estimate_flow_after_pan(FLOWS[name](), previous, current)
    assert np.abs(flow[20:-20, 20:270] - (100, 0)).max() < 0.5


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (15, 300), (16, 16), (17, 31)])
def test_tiny_images_have_flow(name, shape):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    flow = FLOWS[name]()(image, image)
    assert flow.shape == (*shape, 2)
    np.testing.assert_allclose(flow, 0, atol=0.05)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_move_points_is_the_plain_loop(height, width, seed):
    rng = np.random.default_rng(seed)
    flow = rng.normal(0, 3, (height, width, 2)).astype(np.float32)
    scale_xy = (rng.uniform(0.2, 1), rng.uniform(0.2, 1))
    points = rng.uniform(-10, 40, (3, 4, 2)).astype(np.float32)
    points[0, 0, 1] = np.nan
    expected = [[naive_move(point, flow, scale_xy) for point in row] for row in points.tolist()]
    moved = move_points(points, flow, scale_xy)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(
        moved[~np.isnan(points).any(axis=2)], np.reshape(expected, (-1, 2))[1:], atol=1e-3
    )
    assert np.isnan(moved[0, 0, 1])


def test_the_middle_of_a_pixel_takes_its_flow():
    flow = np.zeros((3, 4, 2), np.float32)
    flow[1, 2] = (5, -1)
    # The image is twice as large: reduced pixel (2, 1) has its centre at (5, 3).
    np.testing.assert_allclose(move_points(np.array([5.0, 3.0]), flow, (0.5, 0.5)), [15, 1])


def test_points_outside_take_the_flow_of_the_border_and_wild_ones_stay_wild():
    flow = np.tile(np.arange(4, dtype=np.float32)[None, :, None], (3, 1, 2))
    points = np.array([[-100, 1], [100, 1], [np.inf, 1], [-np.inf, np.nan]], np.float32)
    moved = move_points(points, flow, (1, 1))
    np.testing.assert_allclose(moved[:2], [[-100, 1], [103, 4]])
    assert moved[2, 0] == np.inf
    assert moved[3, 0] == -np.inf
    assert np.isnan(moved[3, 1])
    assert move_points(np.zeros((0, 17, 2), np.float32), flow, (1, 1)).shape == (0, 17, 2)


def test_reduce_to_gray_averages_and_keeps_small_images():
    image = np.zeros((100, 400, 3), np.uint8)
    image[:, ::2] = 200
    reduced = reduce_to_gray(image, 200)
    assert reduced.shape == (50, 200)
    np.testing.assert_array_equal(reduced, 100)
    assert reduce_to_gray(image, 400).shape == reduce_to_gray(image, 9999).shape == (100, 400)
    assert reduce_to_gray(np.zeros((1, 3000, 3), np.uint8), 300).shape == (1, 300)


def test_reduce_to_gray_reads_rgb():
    green = np.zeros((2, 2, 3), np.uint8)
    green[..., 1] = 255
    red = green[..., [1, 0, 2]]
    assert reduce_to_gray(green, 8)[0, 0] > reduce_to_gray(red, 8)[0, 0] > 60
