"""The report of people after a run."""

import numpy as np
import pytest

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.run.people import PersonReport, report_people


def make_frame(index, time_s, people):
    instances = Instances(
        boxes_xyxy=np.tile(np.float32([0, 0, 9, 9]), (len(people), 1)),
        box_scores=np.float32(list(people.values())),
        track_ids=np.int64(list(people)),
    )
    return Frame(index, time_s, np.zeros((10, 10, 3), np.uint8), instances)


def test_people_with_time_score_and_frames_longest_first():
    frames = [
        make_frame(4, 0.0, {7: 0.5, UNTRACKED: 0.9}),
        make_frame(6, 0.1, {3: 0.75}),
        make_frame(8, 0.4, {3: 0.25, 7: 1.0}),
        make_frame(9, 0.5, {3: 0.5}),
    ]
    three, seven = report_people(frames)
    assert three == PersonReport(3, 3, pytest.approx(0.3 + 0.1 + 0.1), pytest.approx(0.5), 6, 9)
    assert seven == PersonReport(7, 2, pytest.approx(0.1 + 0.1), pytest.approx(0.75), 4, 8)


def test_nobody_and_one_frame():
    assert report_people([]) == ()
    assert report_people([make_frame(0, 0.0, {})]) == ()
    assert report_people([make_frame(0, 0.0, {1: 0.5})]) == (PersonReport(1, 1, 0.0, 0.5, 0, 0),)
