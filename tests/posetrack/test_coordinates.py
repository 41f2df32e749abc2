"""The conversions between continuous pixels, indices of pixels, and orders of boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posetrack.frame import (
    from_pixel_indices,
    from_xywh,
    to_matlab_indices,
    to_pixel_indices,
    to_xywh,
)

# Quarters of pixels: sums of them are exact in float32.
QUARTERS = st.integers(-40_000, 40_000).map(lambda number: number / 4)


@given(points=arrays(np.float32, (3, 2), elements=QUARTERS))
def test_indices_and_continuous_pixels_are_inverse(points):
    np.testing.assert_array_equal(from_pixel_indices(to_pixel_indices(points)), points)
    assert to_pixel_indices(points).dtype == np.float32


def test_the_centre_of_the_first_pixel_is_its_index():
    np.testing.assert_array_equal(to_pixel_indices(np.array([[0.5, 0.5], [10.0, 3.0]])), [[0, 0], [9.5, 2.5]])
    np.testing.assert_array_equal(to_matlab_indices(np.array([[0.0, 9.5]])), [[1, 10.5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_of_points_is_kept(dtype):
    assert to_pixel_indices(np.zeros((1, 2), dtype)).dtype == dtype
    assert from_pixel_indices(np.zeros((1, 2), dtype)).dtype == dtype


@given(boxes=arrays(np.float32, (2, 4), elements=QUARTERS))
def test_orders_of_boxes_are_inverse(boxes):
    np.testing.assert_array_equal(from_xywh(to_xywh(boxes)), boxes)


def test_a_box_has_its_width_and_height():
    np.testing.assert_array_equal(to_xywh(np.array([[1.0, 2.0, 4.0, 6.0]])), [[1, 2, 3, 4]])
    assert to_xywh(np.zeros((0, 4))).shape == (0, 4)
