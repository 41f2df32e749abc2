"""One tiny data set sequence: a person twice, one without keypoints, and an ignore region."""

import numpy as np
import pytest

from posetrack.annotations.video import AnnotatedFrame, AnnotatedVideo, PeopleBuilder


@pytest.fixture(scope="package")
def video():
    """Keypoint k of the person at (100 + k, 200 + 2k), 10 pixels lower in frame 1; the ankles occluded."""
    people = PeopleBuilder(
        frame_index=[0, 1, 1],
        track_ids=[7, 7, 8],
        scores=[0.5, None, None],
        head_boxes_xyxy=[(100.0, 190.0, 120.0, 215.0), (100.0, 200.0, 120.0, 225.0), (1.0, 2.0, 3.0, 4.0)],
        boxes_xyxy=[(90.0, 180.0, 150.0, 260.0), None, None],
        has_points=[True, True, True],
        points=[
            (person, k, 100.0 + k, 200.0 + 2 * k + 10 * person, 0.25 + k / 100, float(k not in {0, 5}))
            for person in (0, 1)
            for k in range(15)
        ],
    )
    frames = (
        AnnotatedFrame(
            "images/street/000000.jpg", True, (np.array([[0.0, 0], [9, 0], [9, 9]]),), 40, (640, 360)
        ),
        AnnotatedFrame("images/street/000001.jpg", False, (), 41, (640, 360)),
    )
    return AnnotatedVideo("street", frames, people.build())
