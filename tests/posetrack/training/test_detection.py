import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

import models
from models.rcnn.recipe import read_detection_recipe
from models.training.distributed import World
from posetrack.frame import Instances
from posetrack.skeleton import COCO_17
from posetrack.training import detection_evaluation
from posetrack.training.detection import make_detection_task
from posetrack.training.detection_evaluation import make_detection_evaluation
from posetrack.training.run import TrainingRun, make_trainer

BOX = (12, 20, 24, 36)
RECIPE = """
[network]
name = "lite0-person"
frozen_stages = 2
is_batch_norm_frozen = true
proposals = 20
sampled_proposals = 8

[data]
train = "people.json"
train_images = "."
dev = "people.json"
dev_images = "."
{more}

[canvas]
width_px = 64
height_px = 64

[evaluation]
longest_side_px = 64

[schedule]
name = "constant"

[loop]
epochs = 1
batch_size = 2
num_workers = 0
"""


@pytest.fixture(autouse=True)
def one_thread():
    """A network this small is slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def data(tmp_path):
    """Two images of a white person before black."""
    left, top, width, height = BOX
    images, people = [], []
    for i in range(2):
        image = np.zeros((64, 64, 3), np.uint8)
        image[top : top + height, left : left + width] = 255
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
        images.append({"id": i + 5, "file_name": f"{i}.png", "width": 64, "height": 64})
        # A pixel's middle is half a pixel from the box's border.
        corners = [[left - 0.5, top - 0.5, 2], [left + width - 0.5, top + height - 0.5, 2]] + [[0, 0, 0]] * 15
        people.append(
            {
                "id": i + 1,
                "image_id": i + 5,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": list(BOX),
                "area": width * height,
                "keypoints": [number for row in corners for number in row],
                "num_keypoints": 2,
                "segmentation": [
                    [left, top, left + width, top, left + width, top + height, left, top + height]
                ],
            }
        )
    names = list(COCO_17.names)
    content = {
        "images": images,
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
    }
    (tmp_path / "people.json").write_text(json.dumps(content))
    return tmp_path


def read_recipe(folder, more=""):
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(more=more))
    return read_detection_recipe(path)


def make_run(folder):
    return TrainingRun("", folder, folder / "out", World(0, 1, torch.device("cpu")))


@pytest.fixture
def knowing(monkeypatch):
    """Predictors that know where the people are, perhaps with masks and keypoints."""

    def know(is_multitask):
        left, top, width, height = BOX
        box = np.array([[left, top, left + width, top + height]], np.float32)
        people = Instances(boxes_xyxy=box, box_scores=np.array([0.9], np.float32))
        if is_multitask:
            masks = np.zeros((1, 64, 64), bool)
            masks[0, top : top + height, left : left + width] = True
            people = people.with_columns(
                masks=masks,
                keypoints_xy=np.concatenate([box.reshape(1, 2, 2), np.zeros((1, 15, 2))], axis=1),
                keypoint_scores=np.ones((1, 17)),
            )
        monkeypatch.setattr(
            detection_evaluation,
            "RCNNPredictor",
            lambda network, config, compute: lambda images: [people] * len(images),
        )
        return nn.Linear(1, 1)

    return know


@pytest.mark.parametrize("is_multitask", [False, True])
def test_boxes_masks_and_keypoints_are_evaluated_in_one_pass(data, knowing, is_multitask):
    recipe = read_recipe(data)
    evaluate = make_detection_evaluation(recipe, make_run(data))
    numbers = evaluate(knowing(is_multitask), 3)
    assert next(iter(numbers)) == "AP"
    assert numbers["AP"] == pytest.approx(1)
    assert ("segm_AP" in numbers) == ("keypoints_AP" in numbers) == is_multitask
    if is_multitask:
        assert numbers["segm_AP"] == pytest.approx(1)
        assert numbers["keypoints_AP"] == pytest.approx(1)
    drawn = cv2.imread(str(data / "out" / "samples" / "epoch-003.jpg"))
    # Two images, each beside itself; the person is there, and so is a box around it.
    assert drawn.shape == (384, 4 * 384, 3)
    for tile in np.split(drawn.astype(int), 4, axis=1):
        assert (tile > 200).all(axis=2).sum() > 10_000
        assert (np.abs(tile - 160) < 12).all(axis=2).sum() > 500


def test_evaluation_may_look_at_some_images_only(data, knowing):
    recipe = read_recipe(data, "max_dev_images = 1")
    evaluate = make_detection_evaluation(recipe, make_run(data))
    assert evaluate(knowing(False), 0)["AR_1"] == pytest.approx(1)


def test_other_categories_are_not_evaluated(data, knowing):
    path = data / "people.json"
    content = json.loads(path.read_text())
    content["categories"].append({"id": 18, "name": "dog"})
    content["annotations"].append(
        content["annotations"][0] | {"id": 9, "category_id": 18, "bbox": [1, 1, 9, 9]}
    )
    path.write_text(json.dumps(content))
    evaluate = make_detection_evaluation(read_recipe(data), make_run(data))
    assert evaluate(knowing(False), 0)["AP"] == pytest.approx(1)


def test_a_recipe_becomes_a_training(data):
    recipe = read_recipe(data)
    trainer = make_trainer(recipe, make_run(data), make_detection_task, make_detection_evaluation)
    stem = trainer.network.backbone.body.network.conv_stem.weight.clone()
    trainer.run()
    assert trainer.step == 1
    assert torch.equal(trainer.network.backbone.body.network.conv_stem.weight, stem)
    header, row = (data / "out" / "evaluation.csv").read_text().splitlines()
    assert header.startswith("step,epoch,AP,AP50")
    assert row.startswith("1,1,")


def test_a_body_learns_at_a_rate_of_its_own(data):
    movenet = Path(models.__file__).parent / "weights" / "movenet-multipose.safetensors"
    text = RECIPE.format(more="").replace("lite0-person", "movenet-multitask")
    (data / "recipe.toml").write_text(text + "[optimizer]\nbody_factor = 0.1\n")
    recipe = read_detection_recipe(data / "recipe.toml")
    run = replace(make_run(data), weights=movenet)
    trainer = make_trainer(recipe, run, make_detection_task, make_detection_evaluation)
    body = trainer.network.backbone.body
    groups = [group for group in trainer._optimizer.param_groups if group["rate_factor"] == 0.1]
    slow = {id(p) for group in groups for p in group["params"]}
    assert slow == {id(p) for p in body.parameters() if p.requires_grad}
    stem, pyramid = body.backbone.stem.weight.clone(), body.pyramid.top.weight.clone()
    trainer.run()
    assert torch.equal(body.backbone.stem.weight, stem)
    assert not torch.equal(body.pyramid.top.weight, pyramid)
    assert "keypoints_AP" in (data / "out" / "evaluation.csv").read_text()
