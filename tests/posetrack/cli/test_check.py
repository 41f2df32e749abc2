"""`posetrack check`: its table and its exit code."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.errors import PoseTrackError


@pytest.fixture
def data(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 60, 3), np.uint8))
    person = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [1, 2, 30, 30],
        "area": 900,
        "keypoints": [5, 6, 2],
    }
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose"]}],
    }
    (tmp_path / "[red]people.json").write_text(json.dumps(content))
    return tmp_path


def check(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_a_good_data_set_exits_with_0(data):
    result = check(data, "--decode")
    assert result.exit_code == 0, result.output
    assert "Known points of 1 people: nose 1" in result.output
    assert result.output.endswith("no faults\n")


def test_faults_exit_with_1_and_one_line_each(data):
    (data / "a.png").unlink()
    result = check(data / "[red]people.json", "--images", data)
    assert result.exit_code == 1
    (line,) = (line for line in result.output.splitlines() if line.startswith("fault"))
    assert "1 files none of whose images are found" in line
    assert "[red]people.json" in line
    assert result.output.endswith("1 kind of faults\n")


def test_what_is_not_there_is_one_line(data):
    result = check(data / "none.json")
    assert isinstance(result.exception, PoseTrackError)
    assert "none.json: no such file or folder" in str(result.exception)
