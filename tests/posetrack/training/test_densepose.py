import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from made_scripts import load_script
from reference.densepose_scene import shrink
from torch import nn

from models.densepose.recipe import make_network, read_densepose_recipe
from models.densepose.variants import NETWORKS
from models.training.checkpoint import CheckpointFolder
from models.training.distributed import World
from models.training.errors import DataError
from models.training.int8 import split_ranges
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.families.table import find_role, find_training, list_importable
from posetrack.frame import Instances
from posetrack.predictors.settings import TwoStageSettings
from posetrack.training import densepose
from posetrack.training.densepose import make_densepose_evaluation, make_densepose_task
from posetrack.training.run import TrainingRun, make_trainer

MADE = load_script("made_surfaces")
BOX = (12, 20, 24, 36)
RECIPE = """
[network]
name = "densepose-r50"
frozen_stages = 2
[data]
train = "people.json"
train_images = "."
dev = "people.json"
dev_images = "."
{more}
[[more]]
train = "more.json"
train_images = "."
[canvas]
short_sides_px = [64]
[evaluation]
longest_side_px = 64
[optimizer]
name = "sgd"
learning_rate = 1e-4
[schedule]
name = "constant"
[loop]
epochs = 1
batch_size = 3
num_workers = 0
"""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A small network under the name of a large one, on one thread, which is faster."""
    monkeypatch.setitem(NETWORKS, "densepose-r50", shrink(NETWORKS["densepose-r50"]))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def data(tmp_path):
    """Two files of two and one images, each with a white person; one person has a dense annotation."""
    left, top, width, height = BOX
    dense = {"dp_x": [60.0, 200.0], "dp_y": [50.0, 220.0], "dp_I": [2.0, 14.0], "dp_U": [0.2, 0.7]}
    dense |= {"dp_V": [0.4, 0.9], "dp_masks": [[]] * 14}
    for name, numbers in (("people", (5, 6)), ("more", (6,))):
        images, people = [], []
        for i in numbers:
            image = np.zeros((64, 64, 3), np.uint8)
            image[top : top + height, left : left + width] = 255
            cv2.imwrite(str(tmp_path / f"{i}.png"), image)
            images.append({"id": i, "file_name": f"{i}.png", "width": 64, "height": 64})
            person = {"id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "bbox": list(BOX)}
            person |= {"area": width * height, "segmentation": [], "keypoints": [0] * 51}
            people.append(person | (dense if i == 5 else {}))
        content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def read_recipe(folder, more=""):
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(more=more))
    return read_densepose_recipe(path)


def make_run(folder):
    return TrainingRun("", folder, folder / "out", World(0, 1, torch.device("cpu")))


def test_a_recipe_becomes_a_training(data):
    trainer = make_trainer(read_recipe(data), make_run(data), make_densepose_task, make_densepose_evaluation)
    assert trainer.plan.num_samples == 3
    network = trainer.network
    stem, dense = network.backbone.body.conv1.weight, network.roi_heads.dense_predictor.layers["fine"].weight
    before = stem.clone(), dense.clone()
    trainer.run()
    assert trainer.step == 1
    assert torch.equal(stem, before[0])
    assert not torch.equal(dense, before[1])
    header, row = (data / "out" / "evaluation.csv").read_text().splitlines()
    assert header.startswith("step,epoch,AP,AP50")
    assert row.startswith("1,1,")
    assert "dense_fine" in (data / "out" / "train.csv").read_text()


def test_training_for_int8_goes_on_after_a_stop(data):
    recipe = read_recipe(data)
    recipe = replace(recipe, network=replace(recipe.network, is_int8=True), loop=replace(recipe.loop, epochs=2))
    trainer = make_trainer(recipe, make_run(data), make_densepose_task)
    trainer.run(1)
    before = CheckpointFolder(data / "out").read_latest()
    trainer.run()
    again = make_trainer(recipe, make_run(data), make_densepose_task)
    again.resume(before)
    again.run()
    states = [one.network.state_dict() for one in (trainer, again)]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
    plain, ranges = split_ranges(states[0])
    assert plain.keys() == make_network(read_recipe(data)).state_dict().keys()
    assert {"backbone.body.conv1", "rpn.head.bbox_pred", "roi_heads.box_head.fc6"} <= ranges.keys()
    assert not any("dense_predictor" in name for name in ranges), "transposed convolutions stay float"


def test_four_images_are_learned(tmp_path, monkeypatch):
    """From random weights to dense poses of the predictor, as `scripts/overfit_densepose.py` does with all."""
    overfit = load_script("overfit_densepose")
    config = overfit.shrink(NETWORKS["densepose-r50-dl"])
    monkeypatch.setitem(NETWORKS, "densepose-r50-dl", replace(config, dense_maps="finest", dense_cells=10))
    overfit.draw_images(tmp_path)
    (learned,) = overfit.learn_images("densepose-r50-dl", tmp_path, 100, 2e-3, 100)
    assert min(overfit.list_gps(learned.in_boxes)) > 0.9
    assert learned.in_boxes.metrics["GPS"]["AP"] > 80
    # Boxes are learned more slowly; points outside of them count as not found.
    assert min(overfit.list_gps(learned.found)) > 0.5


def test_boxes_are_evaluated_and_drawn(data, monkeypatch):
    left, top, width, height = BOX
    box = np.array([[left, top, left + width, top + height]], np.float32)
    people = Instances(boxes_xyxy=box, box_scores=np.array([0.9], np.float32))
    monkeypatch.setattr(densepose, "DensePosePredictor", lambda *given: lambda images: [people] * len(images))
    evaluate = make_densepose_evaluation(read_recipe(data), make_run(data))
    numbers = evaluate(nn.Linear(1, 1), 3)
    assert next(iter(numbers)) == "AP"
    assert numbers["AP"] == pytest.approx(1)
    assert cv2.imread(str(data / "out" / "samples" / "epoch-003.jpg")) is not None


def perfect_person():
    """The box of the image's person, and of its dense pose what the two annotated points say."""
    left, top, width, height = BOX
    dense = np.zeros((height, width, 3), np.uint8)
    dense[: height // 2], dense[height // 2 :] = (2, 51, 102), (14, 178, 229)
    box = np.array([[left, top, left + width, top + height]], np.float32)
    return Instances(boxes_xyxy=box, box_scores=np.array([0.9], np.float32), dense=(dense,))


@pytest.fixture
def mesh(data):
    folder = data / "body"
    folder.mkdir()
    MADE.write_mesh(MADE.make_mesh(np.random.default_rng(0), 11), folder)
    return folder


def test_with_a_mesh_dense_poses_are_evaluated(data, mesh, monkeypatch):
    person = perfect_person()
    found = [person, person.with_columns(dense=(person.dense[0] * 0,))]
    evaluate = make_densepose_evaluation(read_recipe(data, 'mesh = "body"'), make_run(data))
    numbers = []
    for people in found:
        monkeypatch.setattr(
            densepose, "DensePosePredictor", lambda *given, people=people: lambda images: [people] * len(images)
        )
        numbers.append(evaluate(nn.Linear(1, 1), 3))
    assert next(iter(numbers[0])) == "gps_AP"
    # The truth's points are not at the middle of a vertex's cell, but far nearer than half of it.
    assert numbers[0]["gps_AP"] == pytest.approx(1)
    assert numbers[1]["gps_AP"] == 0
    assert {"gps_AP50", "gpsm_ARl", "iou_AP", "AP75"} <= numbers[0].keys()
    assert all(number is None or 0 <= number <= 1 for each in numbers for number in each.values())
    assert numbers[0]["AP"] == numbers[1]["AP"] == pytest.approx(1)


def test_the_mesh_of_the_package_needs_no_files(data, monkeypatch):
    person = perfect_person()
    monkeypatch.setattr(densepose, "DensePosePredictor", lambda *given: lambda images: [person] * len(images))
    recipe = read_recipe(data, 'mesh = "made"\nsymmetry = "made"')
    numbers = make_densepose_evaluation(recipe, make_run(data))(nn.Linear(1, 1), 1)
    assert numbers["gps_AP"] == pytest.approx(1)
    task = make_densepose_task(recipe, make_run(data))
    assert all(task.dataset.may_flip(i) for i in range(len(task.dataset)))


def test_without_a_mesh_masks_are_evaluated_if_some_are_painted(data, monkeypatch):
    people = perfect_person()
    monkeypatch.setattr(densepose, "DensePosePredictor", lambda *given: lambda images: [people] * len(images))
    numbers = make_densepose_evaluation(read_recipe(data), make_run(data))(nn.Linear(1, 1), 1)
    assert next(iter(numbers)) == "AP"
    assert "iou_AP" in numbers
    assert "gps_AP" not in numbers
    path = data / "people.json"
    content = json.loads(path.read_text())
    content["annotations"][0].pop("dp_masks")
    path.write_text(json.dumps(content))
    numbers = make_densepose_evaluation(read_recipe(data), make_run(data))(nn.Linear(1, 1), 1)
    assert "iou_AP" not in numbers


def test_faults_of_the_evaluation_end_the_training_before_it_starts(data, mesh):
    recipe = read_recipe(data, 'mesh = "none"')
    with pytest.raises(ResultsError, match=r"none: no such folder; .* with data\.mesh"):
        make_densepose_evaluation(recipe, make_run(data))
    recipe = read_recipe(data, 'mesh = "body"')
    content = json.loads((data / "people.json").read_text())
    masks = [{"size": [256, 256], "counts": "x"}] + [[]] * 13
    for change, message in (({"dp_masks": masks}, "dp_masks"), ({"dp_U": [2.0, 0.5]}, "dp_U")):
        changed = json.loads(json.dumps(content))
        changed["annotations"][0] |= change
        (data / "people.json").write_text(json.dumps(changed))
        with pytest.raises(PoseTrackError, match=message):
            make_densepose_evaluation(recipe, make_run(data))
    (mesh / "Pdist_matrix.pkl").unlink()
    with pytest.raises(ResultsError, match=r"Pdist_matrix\.pkl: no such file"):
        make_densepose_evaluation(recipe, make_run(data))


def test_a_missing_table_ends_the_training_before_it_starts(data):
    with pytest.raises(DataError, match=r"table\.mat: no such file"):
        make_densepose_task(read_recipe(data, 'symmetry = "table.mat"'), make_run(data))


def test_the_family_is_known(data):
    training = find_training("densepose-r50", "here")
    assert training.describe(read_recipe(data)).network == "densepose-r50"
    role = find_role("uv-rcnn-r50", "detector", "here")
    assert set(role.without_poses) == set(NETWORKS)
    settings = role.complete(TwoStageSettings("densepose-r50"), None, "here")
    assert role.make_network(settings).config == NETWORKS["densepose-r50"]
    kinds = list_importable()
    assert kinds["densepose-r50-dl-wc1m"].network == "densepose-r50-dl-wc1m"
    assert "uv-rcnn-r50" not in kinds
