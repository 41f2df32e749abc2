import io
from fractions import Fraction

import numpy as np
from rich.console import Console

from posetrack.cli.people_table import MOST_ROWS, print_people
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17


def show(path, num_people):
    instances = Instances(
        boxes_xyxy=np.tile(np.float32([0, 0, 9, 9]), (num_people, 1)),
        box_scores=np.full(num_people, 0.5, np.float32),
        keypoints_xy=np.zeros((num_people, 17, 2), np.float32),
        keypoint_scores=np.zeros((num_people, 17), np.float32),
        track_ids=np.arange(1, num_people + 1),
    )
    with JsonlWriter(path, Header("a.mp4", 64, 48, Fraction(25), COCO_17, "fast")) as writer:
        for index in range(5):
            writer.write(index, index / 25, instances)
    shown = io.StringIO()
    print_people(Console(file=shown, width=100), path)
    return shown.getvalue()


def test_a_row_a_person(tmp_path):
    words = [line.split() for line in show(tmp_path / "poses.jsonl", 2).splitlines()]
    assert ["1", "0.2", "s", "0.50", "0", "4"] in words
    assert ["2", "0.2", "s", "0.50", "0", "4"] in words


def test_many_people_are_counted_and_nobody_has_no_table(tmp_path):
    shown = show(tmp_path / "many.jsonl", MOST_ROWS + 3)
    assert shown.rstrip().endswith("... and 3 more")
    assert shown.count("0.2 s") == MOST_ROWS
    assert show(tmp_path / "none.jsonl", 0) == ""
