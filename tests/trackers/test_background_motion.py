import numpy as np
import pytest

from trackers.flow import estimate_background_motion

NOBODY = np.zeros((0, 4), np.float32)
SIZE_HW = (144, 256)


def make_flow(affine):
    """The flow of an affine map (2, 3) of pixels of the flow's own image."""
    height, width = SIZE_HW
    points = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    return (points @ affine[:, :2].T + affine[:, 2] - points).astype(np.float32)


def make_similarity(angle=0.0, scale=1.0, shift_xy=(0.0, 0.0)):
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return np.array([[cos, -sin, shift_xy[0]], [sin, cos, shift_xy[1]]], np.float32)


@pytest.mark.parametrize(
    "truth",
    [
        make_similarity(),
        make_similarity(shift_xy=(-12, 3)),
        make_similarity(angle=0.03, shift_xy=(1, 2)),
        make_similarity(scale=1.02, shift_xy=(-2, -1)),
    ],
    ids=["still", "pan", "roll", "zoom"],
)
def test_the_cameras_motion_is_found_in_pixels_of_the_full_image(truth):
    motion = estimate_background_motion(make_flow(truth), (0.25, 0.25), NOBODY)
    np.testing.assert_allclose(motion[:, :2], truth[:, :2], atol=1e-3)
    np.testing.assert_allclose(motion[:, 2], truth[:, 2] * 4, atol=0.2)


def test_people_and_objects_do_not_mislead_it():
    flow = make_flow(make_similarity(shift_xy=(-10, 0)))
    flow[30:120, 20:180] = 5  # A person in front, two fifths of the image.
    flow[0:40, 200:250] = (3, 8)  # Something else that moves.
    person = np.array([[20, 30, 180, 120]], np.float32) * 4
    motion = estimate_background_motion(flow, (0.25, 0.25), person)
    np.testing.assert_allclose(motion, [[1, 0, -40], [0, 1, 0]], atol=0.05)


def test_people_everywhere_are_taken_for_the_background():
    flow = make_flow(make_similarity(shift_xy=(-10, 0)))
    everywhere = np.array([[0, 0, 256, 144]], np.float32)
    np.testing.assert_allclose(
        estimate_background_motion(flow, (1, 1), everywhere), [[1, 0, -10], [0, 1, 0]], atol=0.05
    )


def test_flow_without_a_common_motion_is_none():
    noise = np.random.default_rng(0).uniform(-30, 30, (*SIZE_HW, 2)).astype(np.float32)
    assert estimate_background_motion(noise, (1, 1), NOBODY).tolist() == np.eye(2, 3).tolist()


@pytest.mark.parametrize("size_hw", [(1, 1), (5, 60), (16, 16)])
def test_tiny_images_have_no_motion(size_hw):
    flow = np.ones((*size_hw, 2), np.float32)
    assert estimate_background_motion(flow, (1, 1), NOBODY).tolist() == np.eye(2, 3).tolist()
