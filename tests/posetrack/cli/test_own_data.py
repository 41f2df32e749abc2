"""docs/own_data.md, on the images that scripts/make_own_data.py makes: from annotations to poses."""

import json
from pathlib import Path

import pytest
import torch
from made_scripts import load_script
from typer.testing import CliRunner

from posetrack import Tracker
from posetrack.cli.main import app

PAGE = Path(__file__).parents[3] / "docs" / "own_data.md"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "own"
    load_script("make_own_data").make_data(folder)
    return folder


def test_the_data_set_has_no_faults(own):
    result = CliRunner().invoke(app, ["check", str(own), "--images", str(own / "images")])
    assert result.exit_code == 0, result.output
    assert "no faults" in result.output
    train, val = (json.loads((own / f"{part}.json").read_text()) for part in ("train", "val"))
    assert (len(train["images"]), len(val["images"])) == (16, 4)


def test_from_annotations_to_poses(own):
    threads = torch.get_num_threads()
    weights = "thunder-heatmaps-256x192"
    options = ["--data", str(own), "--weights", weights, "--out", str(own / "trained"), "--steps", "1"]
    trained = CliRunner().invoke(app, ["train", str(own / "train.toml"), *options])
    torch.set_num_threads(threads)
    assert trained.exit_code == 0, trained.output
    assert (own / "trained" / "weights.safetensors").is_file()
    frames = list(Tracker(own / "run.toml").track(own / "images", every=10))
    assert [len(frame.instances) for frame in frames] == [2, 2]


def test_the_page_has_the_recipes_of_the_script(own):
    page = PAGE.read_text()
    for name in ("train.toml", "run.toml"):
        lines = [line for line in (own / name).read_text().splitlines() if line and not line.startswith("#")]
        assert [line for line in lines if line not in page] == []
