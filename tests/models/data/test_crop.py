import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.crop import (
    crop_image,
    fit_boxes,
    invert_matrices,
    make_crop_matrices,
    transform_points,
)

SIZE_WH = (192, 256)


def naive_matrix(centre, width, rotation_deg, size_wh):
    """HRNet's affine transform: three points of the image that land on three of the crop."""
    angle = np.deg2rad(rotation_deg)
    # The point half a width above the centre, turned.
    up = np.array([np.sin(angle), -np.cos(angle)]) * width / 2
    turned = np.array([up[1], -up[0]])
    middle = np.array([size_wh[0] / 2, size_wh[1] / 2])
    crop_up = np.array([0, -size_wh[0] / 2])
    source = np.float32([centre, centre + up, centre + turned])
    target = np.float32([middle, middle + crop_up, middle + np.array([crop_up[1], 0])])
    return cv2.getAffineTransform(source, target)


@pytest.mark.parametrize("rotation_deg", [0, 30, -45, 90])
def test_matrix_is_that_of_three_points(rotation_deg):
    centre = np.array([100.5, 80.0])
    matrix = make_crop_matrices(centre, [150.0], SIZE_WH, rotations_deg=rotation_deg)[0]
    np.testing.assert_allclose(matrix, naive_matrix(centre, 150.0, rotation_deg, SIZE_WH), atol=1e-3)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # Higher than 4:3: the width grows. 400 * 3/4 * 1.25.
        ((10, 20, 110, 420), 375.0),
        # Wider: the height grows. 400 * 1.25.
        ((0, 0, 400, 100), 500.0),
    ],
)
def test_boxes_grow_to_the_aspect_ratio_and_by_a_quarter(box, expected):
    centres, widths = fit_boxes(np.array([box]), SIZE_WH)
    assert widths[0] == pytest.approx(expected)
    np.testing.assert_allclose(centres[0], [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])


@given(
    x=st.floats(-50, 500),
    y=st.floats(-50, 500),
    width=st.floats(5, 800),
    angle=st.floats(-180, 180),
    flip=st.booleans(),
    unbiased=st.booleans(),
)
def test_there_and_back_is_nothing(x, y, width, angle, flip, unbiased):
    matrices = make_crop_matrices(
        [[x, y]], [width], SIZE_WH, rotations_deg=angle, is_flipped=flip, is_unbiased=unbiased
    )
    points = np.array([[[x, y], [x + width / 3, y - width / 4], [0, 0]]], np.float32)
    there = transform_points(points, matrices)
    np.testing.assert_allclose(transform_points(there, invert_matrices(matrices)), points, atol=0.05)
    np.testing.assert_allclose(there[0, 0], (np.array(SIZE_WH) - unbiased) / 2, atol=1e-3)


def test_points_and_pixels_move_alike():
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:43, 70:73] = 255
    for options in ({}, {"rotations_deg": 25.0}, {"is_flipped": True}, {"is_unbiased": True}):
        matrix = make_crop_matrices([[75.0, 50.0]], [60.0], SIZE_WH, **options)
        crop = crop_image(image, matrix[0], SIZE_WH)
        rows, columns = np.nonzero(crop[..., 0] > 127)
        expected = transform_points(np.array([[[71.0, 41.0]]]), matrix)[0, 0]
        np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.5)


def test_unbiased_flip_maps_pixels_onto_pixels():
    image = np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)
    plain, flipped = (
        crop_image(
            image,
            make_crop_matrices([[50.0, 50.0]], [80.0], SIZE_WH, is_flipped=flip, is_unbiased=True)[0],
            SIZE_WH,
        )
        for flip in (False, True)
    )
    # OpenCV rounds coordinates to 1/32 pixel, to either side.
    assert np.abs(flipped[:, ::-1].astype(int) - plain).mean() < 3
