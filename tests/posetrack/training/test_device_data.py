"""Trainings whose images are in the memory of the device that trains."""

import csv
import json
import logging

import cv2
import numpy as np
import pytest
import torch
from made_dense_crops import write_people
from typer.testing import CliRunner

from models.backbones.variants import HRNetConfig
from models.data import stored_images
from models.hrnet import recipe as hrnet_recipe
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError
from posetrack.skeleton import COCO_17
from posetrack.training import detection

RECIPE = """
[data]
train = "people.json"
train_images = "."

[[more]]
train = "people.json"
train_images = "."
times = 0.5

[schedule]
name = "constant"

[loop]
epochs = 2
batch_size = 4
num_workers = 0
log_every_steps = 1
data = "{data}"

[network]
"""
FAMILIES = {
    "top-down": """name = "tiny"
[crop]
width_px = 64
height_px = 64
[augment]
hue_deg = 10.0
saturation = 0.2
brightness = 0.2
grey_fraction = 0.2
erase_fraction = 0.5
[[stage]]
epochs = 1
width_px = 32
height_px = 32
[[stage]]
epochs = 1
""",
    "bottom-up": """name = "higher-movenet"
[target]
size_px = 64
unknown_keypoints = "masked"
[augment]
mosaic_fraction = 0.5
[loss]
adaptive_scale = false
""",
    "detection": """name = "movenet-person"
[canvas]
width_px = 96
height_px = 64
[augment]
scale_range = [0.5, 1.5]
mosaic_fraction = 0.5
saturation = 0.2
""",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Images of 90 x 70 with two people each; one image's size is not in the annotations."""
    config = HRNetConfig(width=8, modules=(1, 1, 1), blocks=1, stem_channels=16, bottlenecks=1)
    monkeypatch.setitem(hrnet_recipe.NETWORKS, "tiny", config)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images, people = [], []
    for i in range(4):
        image = cv2.resize(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), (90, 70))
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
        images.append({"id": i, "file_name": f"{i}.png"} | ({"width": 90, "height": 70} if i else {}))
        for left in (5, 40):
            points = rng.uniform([left, 10], [left + 40, 60], (17, 2)).round()
            flags = 2 * (rng.random(17) < 0.8)
            people.append(
                {
                    "id": len(people) + 1,
                    "image_id": i,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [left, 10, 40, 50],
                    "area": 2000,
                    "num_keypoints": int((flags > 0).sum()),
                    "keypoints": np.column_stack([points, flags]).ravel().tolist(),
                }
            )
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}]
    content = {"images": images, "annotations": people, "categories": categories}
    (tmp_path / "people.json").write_text(json.dumps(content))
    yield tmp_path
    torch.set_num_threads(threads)


def train(folder, tables, out, *options, data="device"):
    (folder / "mine.toml").write_text(RECIPE.format(data=data) + tables)
    command = ["train", str(folder / "mine.toml"), "--data", str(folder), "--device", "cpu"]
    result = CliRunner().invoke(app, [*command, "--out", str(folder / out), *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    with (folder / out / "train.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_what_the_loader_gives(folder, family):
    expected = train(folder, FAMILIES[family], "loader", data="loader")
    found = train(folder, FAMILIES[family], "device")
    assert len(found) == len(expected) >= 4
    np.testing.assert_allclose(found, expected, rtol=0.05)


def test_detection_on_other_devices_learns_what_the_loader_gives(folder, monkeypatch):
    expected = train(folder, FAMILIES["detection"], "loader", data="loader")
    monkeypatch.setattr(detection, "is_host", lambda device: False)
    found = train(folder, FAMILIES["detection"], "device")
    assert found != expected
    np.testing.assert_allclose(found, expected, rtol=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_stopped_and_resumed_is_as_not_stopped(folder, family):
    straight = train(folder, FAMILIES[family], "straight")
    train(folder, FAMILIES[family], "stopped", "--steps", "3")
    assert train(folder, FAMILIES[family], "stopped", "--resume", "--workers", "1") == straight


def test_a_graph_on_a_cpu_is_one_line_and_the_usual_steps(folder, caplog):
    tables = FAMILIES["top-down"]
    usual = train(folder, tables, "usual")
    with caplog.at_level(logging.WARNING):
        assert train(folder, tables, "graph", data='device"\ncuda_graph = true\nprecision = "f32') == usual
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["loop.cuda_graph: it is for GPUs, and this training is on cpu; steps are taken as usual"]


def test_too_little_memory_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(stored_images, "read_free_memory", lambda device: 10_000)
    with pytest.raises(
        PoseTrackError, match=r'^loop.data = "device": 4 images are [^\n]* take "loader"[^\n]*$'
    ):
        train(folder, FAMILIES["top-down"], "out")
    assert not (folder / "out").exists()


def test_networks_without_it_say_so(folder):
    write_people(folder)
    with pytest.raises(PoseTrackError, match=r'^loop.data: this network has no training with "device"'):
        train(folder, 'name = "thunder-densepose"\n[crop]\nwidth_px = 64\nheight_px = 64', "out")
    with pytest.raises(PoseTrackError, match=r"mine.toml: loop.data: .*known: loader, device"):
        train(folder, FAMILIES["top-down"], "out", data="gpu")
