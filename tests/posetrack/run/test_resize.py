"""Frames at another size."""

import numpy as np
import pytest

from models.densepose.pixel_box import find_pixels
from posetrack.frame import Frame, Instances
from posetrack.run.resize import put_image, resize_frame, scale_size


def make_frame():
    masks = np.zeros((1, 40, 60), bool)
    masks[0, 10:30, 20:40] = True
    people = Instances(
        boxes_xyxy=[[20, 10, 40, 30]],
        box_scores=[0.5],
        keypoints_xy=[[[25, 15], [35, 20]]],
        keypoint_scores=[[0.5, 0.6]],
        smoothed_xy=[[[26, 15], [36, 20]]],
        masks=masks,
        dense=(np.full((20, 20, 3), 7, np.uint8),),
    )
    motion = np.array([[1, 0.1, 3], [-0.1, 1, 5]], np.float32)
    return Frame(4, 0.5, np.zeros((40, 60, 3), np.uint8), people, background_motion=motion)


def test_everything_about_a_person_is_scaled():
    frame = resize_frame(make_frame(), (30, 80))  # half as wide, twice as high
    people = frame.instances
    assert frame.image.shape == (80, 30, 3)
    assert people.boxes_xyxy.tolist() == [[10, 20, 20, 60]]
    assert people.keypoints_xy.tolist() == [[[12.5, 30], [17.5, 40]]]
    assert people.smoothed_xy.tolist() == [[[13, 30], [18, 40]]]
    np.testing.assert_array_equal(people.keypoint_scores, np.float32([[0.5, 0.6]]))
    assert people.masks.sum() == 10 * 40
    assert people.masks[0, 20:60, 10:20].all()
    _, _, width, height = find_pixels(people.boxes_xyxy[0])
    assert people.dense[0].shape == (height, width, 3) == (40, 10, 3)
    assert (people.dense[0] == 7).all()


def test_the_motion_of_the_camera_is_that_of_the_new_pixels():
    frame, ratio = make_frame(), np.array([0.5, 2])
    scaled = resize_frame(frame, (30, 80)).background_motion
    old, new = frame.background_motion, np.array([8.0, 9])
    expected = (old[:, :2] @ (new / ratio) + old[:, 2]) * ratio
    np.testing.assert_allclose(scaled[:, :2] @ new + scaled[:, 2], expected, rtol=1e-6)


def test_the_same_size_changes_nothing():
    frame = make_frame()
    assert resize_frame(frame, (60, 40)) is frame
    assert put_image(frame, np.ones_like(frame.image)).instances is frame.instances


@pytest.mark.parametrize(
    ("size_wh", "scale", "expected"),
    [
        ((640, 272), 0.5, (320, 136)),
        ((641, 273), 0.5, (320, 136)),
        ((9, 9), 0.01, (2, 2)),
        ((50, 50), 2, (100, 100)),
    ],
)
def test_scaled_sizes_are_even(size_wh, scale, expected):
    assert scale_size(size_wh, scale) == expected
