import csv
import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from models.backbones.variants import HRNetConfig, ResNetConfig
from models.hrnet import classification_recipe
from models.hrnet.variants import NETWORKS
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError
from posetrack.skeleton import COCO_17

TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)
TINY_RESNET = ResNetConfig(depths=(1, 1, 1, 1), width=4)
RECIPE = """
[network]
name = "{network}"

[crop]
size_px = 32
resized_px = 36

[optimizer]
name = "sgd"
learning_rate = 0.05
is_nesterov = true
weight_decay = 1e-4

[schedule]
milestones_epochs = [20]

[loop]
epochs = {epochs}
batch_size = 6
num_workers = 0
evaluate_every_epochs = 10
log_every_steps = 1
"""


@pytest.fixture(autouse=True)
def tiny_networks(monkeypatch):
    networks = classification_recipe.CLASS_NETWORKS
    monkeypatch.setitem(networks, "tiny-imagenet", TINY)
    monkeypatch.setitem(networks, "tiny-resnet-imagenet", TINY_RESNET)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path):
    """Twelve noisy images to train on and six to evaluate on, of three classes: red, green and blue ones."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2)):
        for k, name in enumerate(("blue", "green", "red")):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                image = rng.integers(0, 90, (40, 44, 3), dtype=np.uint8)
                image[..., k] += 150
                cv2.imwrite(str(tmp_path / part / name / f"{i}.JPEG"), image)
    return tmp_path


def write_recipe(folder, network="tiny-resnet-imagenet", epochs=1):
    (folder / "tiny.toml").write_text(RECIPE.format(network=network, epochs=epochs))


def train(folder, *options, out="out"):
    command = ["train", str(folder / "tiny.toml"), "--data", str(folder), "--out", str(folder / out)]
    result = CliRunner().invoke(app, [*command, "--device", "cpu", *options], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def read_column(path, name):
    with path.open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_colours_are_learnt(folder):
    write_recipe(folder, epochs=30)
    output = train(folder)
    assert "12 images" in output
    losses = read_column(folder / "out" / "train.csv", "cross_entropy")
    assert losses[-1] < 0.5 * losses[0]
    assert read_column(folder / "out" / "evaluation.csv", "top1")[-1] > 0.9
    # Three classes are all among the five most likely.
    assert set(read_column(folder / "out" / "evaluation.csv", "top5")) == {1.0}


def test_stopped_and_resumed_is_as_not_stopped(folder):
    write_recipe(folder, epochs=2)
    train(folder, out="straight")
    train(folder, "--steps", "3", out="stopped")
    train(folder, "--resume", out="stopped")
    a, b = (read_column(folder / out / "train.csv", "loss") for out in ("straight", "stopped"))
    assert a == b
    assert len(a) == 4


@pytest.mark.parametrize(
    ("network", "config"), [("tiny-imagenet", TINY), ("tiny-resnet-imagenet", TINY_RESNET)]
)
def test_its_weights_are_the_body_of_a_pose_network(folder, monkeypatch, network, config):
    monkeypatch.setitem(NETWORKS, "tiny", config)
    write_recipe(folder, network)
    train(folder)
    trained = load_file(folder / "out" / "weights.safetensors")
    _write_pose_data(folder)
    (folder / "tiny.toml").write_text(POSE_RECIPE)
    train(folder, out="pose")
    # At a learning rate of 0 only the running means of the norms move.
    pose = load_file(folder / "pose" / "weights.safetensors")
    learnt = [name for name, value in pose.items() if name.endswith("weight") and value.ndim == 4]
    body = [name for name in learnt if not name.startswith(("final_layer.", "deconv_layers."))]
    assert len(body) > 10
    assert all(torch.equal(pose[name], trained[name]) for name in body)


POSE_RECIPE = """
[network]
name = "tiny"
body = "out/weights.safetensors"

[data]
train = "people.json"
train_images = "train/red"

[crop]
width_px = 32
height_px = 32

[optimizer]
learning_rate = 0.0

[loop]
epochs = 1
batch_size = 2
num_workers = 0
"""


def _write_pose_data(folder):
    images = [{"id": i, "file_name": f"{i}.JPEG"} for i in range(2)]
    person = {"category_id": 1, "bbox": [2, 2, 30, 30], "keypoints": [12, 14, 2] * 17}
    people = [person | {"id": i, "image_id": i} for i in range(2)]
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}]
    content = {"images": images, "annotations": people, "categories": categories}
    (folder / "people.json").write_text(json.dumps(content))


def test_weights_of_the_whole_network_are_a_start(folder):
    write_recipe(folder)
    train(folder)
    train(folder, "--weights", str(folder / "out" / "weights.safetensors"), out="again")
    first, again = (read_column(folder / out / "train.csv", "loss")[0] for out in ("out", "again"))
    assert first != again
    other = load_file(folder / "out" / "weights.safetensors")
    other["fc.bias"] = torch.zeros(4)
    save_file(other, folder / "other.safetensors")
    with pytest.raises(PoseTrackError, match=r"other.safetensors: does not fit .* fc.bias"):
        train(folder, "--weights", str(folder / "other.safetensors"), out="third")


def test_classes_of_both_folders_must_agree(folder):
    write_recipe(folder)
    (folder / "val" / "red").rename(folder / "val" / "purple")
    with pytest.raises(PoseTrackError, match=r"val: its classes are not those of training: purple, red"):
        train(folder)
