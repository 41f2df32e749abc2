"""Evaluation of top-down pose while training: boxes, their order, and poses that are alike."""

import json

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from models.hrnet.recipe import read_pose_recipe
from models.training.distributed import World
from posetrack.skeleton import COCO_17, MPII_16
from posetrack.training import top_down_evaluation
from posetrack.training.run import TrainingRun
from posetrack.training.top_down_evaluation import make_top_down_evaluation

RECIPE = """
[network]
name = "hrnet-w18"

[data]
format = "{format}"
skeleton = "{skeleton}"
train = "people.json"
train_images = "."
dev = "people.json"
dev_images = "."
{more}
"""
# Boxes of the people of each image; the keypoints of a person stand on a grid in the box.
BOXES = {0: [(10, 20, 50, 80), (70, 10, 110, 90)], 1: [], 2: [(30, 30, 90, 90)]}


def place_keypoints(box, K):
    left, top, right, bottom = box
    steps = (np.arange(K) + 0.5) / K
    return np.stack([left + steps * (right - left), top + steps[::-1] * (bottom - top)], axis=1)


@pytest.fixture
def asked(monkeypatch):
    """Predictors that put the keypoints on the grid of the box that they are given; all boxes that were."""
    asked = []

    def make(network, settings, skeleton, compute):
        def estimate(images, boxes_xyxy):
            asked.extend(box for boxes in boxes_xyxy for box in boxes.tolist())
            poses = []
            for boxes in boxes_xyxy:
                # What is given to estimators lies half a pixel to the right and below, as in the public code.
                points = [place_keypoints(box - 0.5, skeleton.num_keypoints) + 0.5 for box in boxes]
                xy = np.array(points, np.float32).reshape(len(boxes), skeleton.num_keypoints, 2)
                poses.append((xy, np.full(xy.shape[:2], 0.8, np.float32)))
            return poses

        return estimate

    monkeypatch.setattr(top_down_evaluation, "HRNetPredictor", make)
    return asked


def evaluate(folder, *, form="coco", skeleton="coco17", more=""):
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(format=form, skeleton=skeleton, more=more))
    run = TrainingRun("", folder, folder / "out", World(0, 1, torch.device("cpu")))
    return make_top_down_evaluation(read_pose_recipe(path), run)(nn.Linear(1, 1), 0)


def write_images(folder):
    for number in BOXES:
        cv2.imwrite(str(folder / f"{number}.png"), np.full((100, 120, 3), 60, np.uint8))


@pytest.fixture
def coco(tmp_path):
    write_images(tmp_path)
    people = []
    for number, boxes in BOXES.items():
        for left, top, right, bottom in boxes:
            points = np.column_stack([place_keypoints((left, top, right, bottom), 17), np.full(17, 2)])
            people.append(
                {
                    "id": len(people) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top) / 2,
                    "num_keypoints": 17,
                    "keypoints": points.ravel().tolist(),
                }
            )
    # Nothing is known of this one but the box.
    people.append({**people[0], "id": 9, "bbox": [1, 1, 9, 9], "num_keypoints": 0, "keypoints": [0] * 51})
    images = [{"id": number, "file_name": f"{number}.png", "width": 120, "height": 100} for number in BOXES]
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}]
    content = {"images": images, "annotations": people, "categories": categories}
    (tmp_path / "people.json").write_text(json.dumps(content))
    return tmp_path


def test_annotated_boxes_of_people_with_keypoints(coco, asked):
    assert evaluate(coco)["AP"] == pytest.approx(1)
    wanted = [box for boxes in BOXES.values() for box in boxes]
    np.testing.assert_allclose(asked, np.array(wanted) + 0.5)
    drawn = cv2.imread(str(coco / "out" / "samples" / "epoch-000.jpg"))
    # The two images with people, each beside itself.
    assert drawn.shape == (384, 4 * 384, 3)


def test_boxes_around_keypoints(coco, asked):
    evaluate(coco, more='boxes = "keypoints"')
    steps = 0.5 / 17
    left, top, right, bottom = BOXES[2][0]
    assert len(asked) == 3
    np.testing.assert_allclose(
        asked[2],
        [left + 60 * steps + 0.5, top + 60 * steps + 0.5, right - 60 * steps + 0.5, bottom - 60 * steps + 0.5],
        atol=1e-4,
    )


def test_detections_stand_for_annotated_boxes_and_alike_poses_go(coco, asked):
    def detect(number, box, score):
        left, top, right, bottom = box
        size = [right - left, bottom - top]
        return {"image_id": number, "category_id": 1, "bbox": [left, top, *size], "score": score}

    found = [
        detect(0, BOXES[0][0], 0.5),
        # Almost the same once more, with a higher score.
        detect(0, (10, 20, 50, 80.5), 0.9),
        detect(2, BOXES[2][0], 0.8),
        # Of an image that is not evaluated.
        detect(77, BOXES[2][0], 0.8),
    ]
    (coco / "found.json").write_text(json.dumps(found))
    numbers = evaluate(coco, more='dev_detections = "found.json"')
    assert len(asked) == 3
    # Two of three people, and no false positive.
    assert numbers["AR"] == pytest.approx(2 / 3)
    assert numbers["AP"] == pytest.approx(2 / 3, abs=0.01)


def test_mpii_compares_person_by_person(tmp_path, asked):
    write_images(tmp_path)
    people = []
    places = ((2, 0.3, 60, 50), (0, 0.2, 30, 40), (2, 0.3, 61, 50), (0, 0.25, 80, 60))
    for number, scale, x, y in places:
        # HRNet's reader moves centres down by 15 px of scale 1; the file counts from 1.
        half, below = 100 * scale, y + 15 * scale
        box = np.array([x - half, below - half, x + half, below + half])
        joints = place_keypoints(box - 1, 16) + 1
        people.append(
            {
                "image": f"{number}.png",
                "center": [x, y],
                "scale": scale,
                "joints": joints.tolist(),
                "joints_vis": [1] * 16,
                "headbox": [10, 10, 20, 20],
            }
        )
    (tmp_path / "people.json").write_text(json.dumps(people))
    numbers = evaluate(tmp_path, form="mpii", skeleton=MPII_16.name)
    # Two are so alike that OKS-NMS would leave one of them.
    assert len(asked) == 4
    assert numbers["Mean"] == pytest.approx(1)
