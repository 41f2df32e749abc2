"""One point, written in every format and read back, is the same continuous point."""

import csv
import json
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from posetrack.annotations.convert import convert_annotations, read_sequences
from posetrack.annotations.read import read_annotations
from posetrack.cli.main import app
from posetrack.evaluation.pictures import encode_results
from posetrack.frame import Instances, from_pixel_indices, from_xywh
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17, POSETRACK_15

NOSE_XY = (10.0, 20.25)
"""The nose of the one person, in continuous pixels."""
BOX_XYXY = (4.5, 3.0, 60.0, 90.25)


@pytest.fixture
def people():
    points = np.linspace((10.0, 20.25), (50.0, 84.25), 17)[None]
    return Instances(
        boxes_xyxy=[BOX_XYXY],
        box_scores=[0.5],
        keypoints_xy=points,
        keypoint_scores=np.full((1, 17), 0.75),
        track_ids=[3],
    )


@pytest.fixture
def poses(tmp_path, people):
    """A `poses.jsonl` of one frame."""
    header = Header("street.mp4", 640, 360, Fraction(25), COCO_17, "default")
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(0, 0.0, people)
    return tmp_path / "poses.jsonl"


def convert(poses, format_name):
    result = CliRunner().invoke(app, ["convert", str(poses), "--to", format_name])
    assert result.exit_code == 0, result.output
    return poses.parent


def test_jsonl_holds_continuous_pixels(poses):
    assert json.loads(poses.read_text().splitlines()[1])["people"][0]["keypoints"][0][:2] == list(NOSE_XY)
    _, records = read_jsonl(poses)
    people = next(records).instances
    assert people.keypoints_xy[0, 0].tolist() == list(NOSE_XY)
    assert people.boxes_xyxy[0].tolist() == list(BOX_XYXY)


@pytest.mark.parametrize(
    ("format_name", "file"),
    [
        ("coco", "coco.json"),
        ("posetrack17", "posetrack17/street.json"),
        ("posetrack18", "posetrack18/street.json"),
    ],
)
def test_files_with_indices_of_pixels(poses, format_name, file):
    path = convert(poses, format_name) / file
    assert "9.5" in path.read_text()
    (video,) = read_sequences(path)
    nose = POSETRACK_15.names.index("nose")
    assert from_pixel_indices(video.people.keypoints_xy[0, nose]).tolist() == list(NOSE_XY)
    if format_name != "posetrack17":  # It has no boxes of people.
        assert video.people.boxes_xyxy[0].tolist() == list(BOX_XYXY)


def test_posetrack_formats_are_what_is_evaluated_of_saved_poses(poses):
    path = convert(poses, "posetrack18") / "posetrack18" / "street.json"
    exported, saved = read_annotations(path), read_annotations(poses)
    np.testing.assert_array_equal(saved.people.keypoints_xy, exported.people.keypoints_xy)


def test_data_set_files_keep_their_numbers(poses, tmp_path):
    path = convert(poses, "coco") / "coco.json"
    (written,) = convert_annotations([path], "posetrack17", tmp_path / "converted")
    points = json.loads(written.read_text())["annolist"][0]["annorect"][0]["annopoints"][0]["point"]
    nose = POSETRACK_15.names.index("nose")
    assert [(p["x"], p["y"]) for p in points if p["id"] == [nose]] == [([9.5], [19.75])]


def test_csv_holds_continuous_pixels(poses):
    with (convert(poses, "csv") / "poses.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (float(row["nose_x"]), float(row["nose_y"])) == NOSE_XY
    assert tuple(float(row[name]) for name in ("x1", "y1", "x2", "y2")) == BOX_XYXY


def test_openpose_holds_indices_of_pixels(poses):
    (file,) = (convert(poses, "openpose") / "openpose").iterdir()
    numbers = json.loads(file.read_text())["people"][0]["pose_keypoints_2d"]
    assert from_pixel_indices(np.array(numbers[:2])).tolist() == list(NOSE_XY)


def test_mot_holds_continuous_boxes(poses):
    numbers = (convert(poses, "mot") / "mot.txt").read_text().split(",")
    assert from_xywh(np.array(numbers[2:6], float)).tolist() == list(BOX_XYXY)


def test_evaluation_measures_what_is_exported(poses, people):
    exported = json.loads((convert(poses, "coco") / "coco.json").read_text())["annotations"][0]
    measured = encode_results(0, people)
    (pose,), (box,) = measured["keypoints"], measured["bbox"]
    np.testing.assert_allclose(pose["keypoints"][:2], [9.5, 19.75])
    np.testing.assert_allclose(pose["keypoints"][0::3], exported["keypoints"][0::3], atol=0.005)
    assert box["bbox"] == exported["bbox"]
