import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from models.backbones.variants import HRNetConfig
from models.hrnet import recipe as hrnet_recipe
from models.training.step import PARTS
from posetrack.cli.main import app
from posetrack.skeleton import COCO_17

RECIPE = """
[network]
name = "tiny"

[data]
train = "train.json"
train_images = "."
dev = "missing.json"
dev_images = "."

[crop]
width_px = 32
height_px = 32
"""
STAGES = """
[[stage]]
seconds = 5

[[stage]]
seconds = 5
batch_size = 2
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    config = HRNetConfig(width=8, modules=(1, 1, 1), blocks=1, stem_channels=16, bottlenecks=1)
    monkeypatch.setitem(hrnet_recipe.NETWORKS, "tiny", config)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((40, 40, 3), 90, np.uint8))
    people = [
        {
            "id": i,
            "image_id": 1,
            "category_id": 1,
            "bbox": [2, 2, 30, 30],
            "area": 900,
            "iscrowd": 0,
            "num_keypoints": 17,
            "keypoints": [10, 20, 2] * 17,
        }
        for i in range(1, 5)
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 40}],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}],
    }
    (tmp_path / "train.json").write_text(json.dumps(content))
    return tmp_path


def run_bench(data, text, *options):
    (data / "mine.toml").write_text(text)
    arguments = ["bench", "train", str(data / "mine.toml"), "--data", str(data), "--device", "cpu"]
    return CliRunner().invoke(app, [*arguments, "--workers", "0", "--out", str(data / "speed.json"), *options])


@pytest.mark.parametrize("stages", ["", STAGES])
def test_every_part_and_every_stage_is_timed_and_nothing_else_is_written(data, stages, monkeypatch):
    monkeypatch.chdir(data)
    result = run_bench(data, RECIPE + stages, "--steps", "2", "--warm-up", "1")
    assert result.exit_code == 0, result.output
    speeds = json.loads((data / "speed.json").read_text())
    assert list(speeds) == (["mine stage 1", "mine stage 2"] if stages else ["mine"])
    for number, (name, speed) in enumerate(speeds.items()):
        assert speed["device"] == "cpu"
        assert speed["samples_per_step"] == (2 if number else 4)
        assert list(speed["part_ms"]) == list(PARTS)
        assert all(value > 0 for value in speed["part_ms"].values())
        whole_s = sum(speed["part_ms"].values()) / 1e3
        assert speed["samples_per_step"] / whole_s < min(speed["part_samples_per_s"].values())
        assert speed["samples_per_s"] > 0
        assert f"{name}, cpu, 2 steps of" in result.output
    assert {path.name for path in data.iterdir()} == {"a.png", "train.json", "mine.toml", "speed.json"}


def test_what_is_wrong_is_one_line(data):
    assert "posetrack bench train" in CliRunner().invoke(app, ["bench", "train", "--help"]).output
    result = run_bench(data, RECIPE.replace("train.json", "none.json"))
    assert result.exit_code == 1
    assert "none.json" in str(result.exception)
    result = run_bench(data, RECIPE, "--steps", "0")
    assert result.exit_code == 2
    assert CliRunner().invoke(app, ["bench", "train"]).exit_code == 2


def test_a_clip_may_still_come_behind_options(tmp_path):
    result = CliRunner().invoke(app, ["bench", "--frames", "2", str(tmp_path / "train")])
    assert "no such file" in str(result.exception)
