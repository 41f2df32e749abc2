"""`faces` of a frame in a `poses.jsonl`."""

from fractions import Fraction

import numpy as np
import pytest

from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17


def write(path, faces):
    with JsonlWriter(path, Header("a.mp4", 64, 48, Fraction(25), COCO_17, "mine")) as writer:
        writer.write(0, 0.0, Instances(), None, faces)
    return path


def test_faces_come_back_with_two_decimals(tmp_path):
    path = write(tmp_path / "poses.jsonl", np.float32([[-1.234, 2, 3, 4.567], [5, 6, 7, 8]]))
    [record] = read_jsonl(path)[1]
    assert record.faces_xyxy.tolist() == pytest.approx(np.array([[-1.23, 2, 3, 4.57], [5, 6, 7, 8]]))


@pytest.mark.parametrize("faces", [None, np.zeros((0, 4), np.float32)])
def test_without_faces_there_is_no_key(tmp_path, faces):
    path = write(tmp_path / "poses.jsonl", faces)
    assert "faces" not in path.read_text()
    [record] = read_jsonl(path)[1]
    assert record.faces_xyxy is None


@pytest.mark.parametrize(
    ("faces", "message"),
    [("[[1, 2, 3]]", r"faces\[0\]: .*4 numbers"), ('[[1, 2, 3, "x"]]', r"faces\[0\]"), ("7", "faces: ")],
)
def test_other_faces_are_refused(tmp_path, faces, message):
    path = write(tmp_path / "poses.jsonl", None)
    path.write_text(path.read_text().replace('"people"', f'"faces": {faces}, "people"'))
    with pytest.raises(ResultsError, match=message):
        list(read_jsonl(path)[1])
