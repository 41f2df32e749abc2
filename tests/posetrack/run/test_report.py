from fractions import Fraction
from pathlib import Path

import numpy as np

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.run.report import FrameCounter, RunInterrupted
from posetrack.video.arrays import ArraySequence
from posetrack.video.base import Selection
from posetrack.video.missing import MissingImages

IMAGE = np.zeros((6, 8, 3), np.uint8)


def make_report(*people: Instances):
    counter = FrameCounter()
    for i, instances in enumerate(people):
        counter(Frame(i, i / 25, IMAGE, instances))
    video = ArraySequence([IMAGE], Selection(), Fraction(25))
    video.num_damaged = 2
    video.missing = [MissingImages(4.0, 2.6, 39), MissingImages(9.0, None, None)]
    return counter.make_report(video, (Path("poses.jsonl"),))


def test_people_are_counted_in_each_frame_and_ids_once():
    report = make_report(
        Instances(track_ids=[1, 2]), Instances(track_ids=[2, UNTRACKED]), Instances(track_ids=[]), Instances()
    )
    assert (report.name, report.num_frames, report.num_people, report.num_ids) == ("arrays", 4, 4, 2)
    assert (report.num_damaged, report.files) == (2, (Path("poses.jsonl"),))
    assert (report.num_missing, report.missing_s, report.is_source_whole) == (39, 2.6, False)
    assert report.people_per_frame == 1.0
    assert report.frames_per_s > 0


def test_a_run_of_nothing_has_no_rate_and_nobody():
    report = make_report()
    assert (report.frames_per_s, report.people_per_frame) == (0.0, 0.0)
    assert str(RunInterrupted(report)) == "arrays: interrupted"
