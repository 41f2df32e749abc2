"""Saved poses exported as ground truth."""

import json

import numpy as np
import pytest
from made_crossing import HEADER, make_crossing, make_people, make_pose, write_poses

from posetrack.annotations.read import read_annotations
from posetrack.errors import ResultsError
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.posetrack.evaluate import evaluate_posetrack
from posetrack.frame import UNTRACKED
from posetrack.results.convert import convert
from posetrack.results.people import GROUND_TRUTH, ExportOptions
from posetrack.results.posetrack_people import estimate_head_boxes, select_posetrack_people
from posetrack.skeleton import POSETRACK_15


def test_coco_has_no_scores_and_areas_of_people(tmp_path):
    people = make_people([4, UNTRACKED], [make_pose(50, 50), make_pose(200, 50)])
    scores = people.keypoint_scores.copy()
    scores[0, :3] = 0.1
    poses = write_poses(tmp_path / "poses.jsonl", [people.with_columns(keypoint_scores=scores)])
    truth = json.loads(convert(poses, "coco", tmp_path, GROUND_TRUTH).read_text())
    first, second = truth["annotations"]
    assert set(first) == {
        *("id", "image_id", "category_id", "bbox", "keypoints", "area", "iscrowd", "num_keypoints", "track_id")
    }
    assert first["num_keypoints"] == 14
    assert first["keypoints"][:9] == [0] * 9
    assert first["keypoints"][9:12] == [73.5, 73.5, 2]
    assert first["area"] == pytest.approx(0.53 * 32 * 128)
    assert "track_id" not in second
    # As predictions it has what it always had.
    (predicted, _) = json.loads(convert(poses, "coco", tmp_path).read_text())["annotations"]
    assert {"score", "keypoint_scores"} < set(predicted)
    assert predicted["area"] == 32 * 128


def test_coco_has_no_point_outside_the_image(tmp_path):
    poses = write_poses(tmp_path / "poses.jsonl", [make_people([4], [make_pose(-10, 50)])])
    [truth] = json.loads(convert(poses, "coco", tmp_path, GROUND_TRUTH).read_text())["annotations"]
    points = np.reshape(truth["keypoints"], (17, 3))
    assert 0 < truth["num_keypoints"] == (points[:, 2] > 0).sum() < 17
    assert points.min() >= 0
    [predicted] = json.loads(convert(poses, "coco", tmp_path).read_text())["annotations"]
    assert min(predicted["keypoints"]) < 0


def test_evaluation_of_predictions_with_it(tmp_path):
    poses = write_poses(tmp_path / "poses.jsonl", make_crossing())
    truth = json.loads(convert(poses, "coco", tmp_path / "gt", GROUND_TRUTH).read_text())
    predicted = json.loads(convert(poses, "coco", tmp_path).read_text())["annotations"]
    assert evaluate_coco(truth, predicted)["AP"] == pytest.approx(1.0)
    for person in predicted:
        person["keypoints"] = [each + 40 * (i % 3 == 0) for i, each in enumerate(person["keypoints"])]
    assert evaluate_coco(truth, predicted)["AP"] < 0.2


def test_posetrack18_has_head_boxes(tmp_path):
    poses = write_poses(tmp_path / "poses.jsonl", make_crossing())
    path = convert(poses, "posetrack18", tmp_path, GROUND_TRUTH)
    annotation = json.loads(path.read_text())["annotations"][0]
    assert set(annotation) == {"id", "image_id", "track_id", "category_id", "bbox", "keypoints", "bbox_head"}
    people = select_posetrack_people(make_crossing()[0], HEADER.skeleton, GROUND_TRUTH)
    neck, top = people.keypoints_xy[0, [POSETRACK_15.names.index(name) for name in ("neck", "head_top")]] + 0.5
    length = np.linalg.norm(top - neck)
    x, y, width, height = annotation["bbox_head"]
    assert (width, height) == pytest.approx((length, length), abs=0.02)
    assert (x + width / 2, y + height / 2) == pytest.approx(tuple((neck + top) / 2), abs=0.02)


def test_head_boxes_of_heads_that_are_not_seen():
    people = make_people([1, 2], [make_pose(50, 50), make_pose(200, 50)])
    scores = people.keypoint_scores.copy()
    scores[0, 5:7] = 0  # Without shoulders there is no neck, and no head top.
    scores[1, :7] = 0
    chosen = select_posetrack_people(
        people.with_columns(keypoint_scores=scores), HEADER.skeleton, ExportOptions(min_keypoint_score=0.2)
    )
    side = 0.18 * 128
    about_nose, on_box = estimate_head_boxes(chosen)
    assert about_nose == pytest.approx([50 - side / 2, 50 - side / 2, 50 + side / 2, 50 + side / 2])
    assert on_box == pytest.approx([216 - side / 2, 50, 216 + side / 2, 50 + side])


def test_evaluating_poses_with_themselves_is_perfect(tmp_path):
    poses = write_poses(tmp_path / "a" / "poses.jsonl", make_crossing(apart=150))
    convert(poses, "posetrack18", tmp_path, GROUND_TRUTH)
    assert read_annotations(tmp_path / "posetrack18" / "a.json").people.head_boxes_xyxy.shape == (76, 4)
    total = evaluate_posetrack(tmp_path / "posetrack18", tmp_path, corrected=True).total.to_dict()
    assert total["ap"][-1] == pytest.approx(100)
    assert total["mota"][-1] == pytest.approx(100)


@pytest.mark.parametrize("name", ["posetrack17", "mot", "csv", "openpose"])
def test_formats_without_ground_truth(tmp_path, name):
    poses = write_poses(tmp_path / "poses.jsonl", make_crossing())
    with pytest.raises(
        ResultsError, match=f"format {name}: has no form for ground truth; use posetrack18 or coco"
    ):
        convert(poses, name, tmp_path, GROUND_TRUTH)
