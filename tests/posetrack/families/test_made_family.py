"""Adding a family touches its folder, its module and one line: every command then knows it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from models.metadata import read_metadata
from posetrack.cli.main import app
from posetrack.errors import RecipeError
from posetrack.families.table import FAMILIES
from posetrack.recipe import read_recipe
from posetrack.weights.describe import describe_weights

TRAINING = """
[network]
name = "made-spot"
[optimizer]
name = "sgd"
learning_rate = 0.5
[loop]
epochs = 30
batch_size = 8
num_workers = 0
"""


@pytest.fixture(autouse=True)
def _with_made_family(monkeypatch):
    monkeypatch.setitem(FAMILIES, "made", "made_family")


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "spot-training.toml").write_text(TRAINING)
    out = tmp_path / "trained"
    run("train", tmp_path / "spot-training.toml", "--data", tmp_path, "--out", out, "--device", "cpu")
    return out / "weights.safetensors"


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def test_it_trains_and_its_weights_say_what_they_are(weights):
    metadata = read_metadata(weights)
    assert metadata.network == "made-spot"
    assert metadata.traits == {"skeleton": "posetrack15", "contrast": 0.25}
    assert metadata.training.startswith("recipe spot-training, step 30")
    described = describe_weights(str(weights))
    assert described["network"] == "made-spot"
    assert described["contrast"] == "0.25"


def test_it_tracks_people_by_a_recipe_that_names_weights_alone(tmp_path, weights):
    cv2 = pytest.importorskip("cv2")
    recipe = tmp_path / "spot.toml"
    recipe.write_text(f'[detector]\nweights = "{weights}"\nscore = 0.6\n')
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(3):
        image = np.full((64, 96, 3), 20, np.uint8)
        image[10:50, 20 + i : 40 + i] = 255
        cv2.imwrite(str(folder / f"{i}.png"), image)
    out = tmp_path / "out"
    run("run", folder, "--recipe", recipe, "--out", out, "--no-video", "--quiet", "--engine", "torch")
    header, *lines = [json.loads(line) for line in (out / "poses.jsonl").read_text().splitlines()]
    assert header["skeleton"] == "posetrack15"
    people = [line["people"] for line in lines]
    assert [person["track_id"] for (person,) in people] == [1, 1, 1]
    assert people[2][0]["box"] == [22.0, 10.0, 42.0, 50.0]
    assert people[2][0]["keypoints"][0] == [32.0, 10.0, 0.6]


def test_a_recipe_that_contradicts_its_weights_is_one_line(tmp_path, weights):
    recipe = tmp_path / "spot.toml"
    recipe.write_text(f'[detector]\nweights = "{weights}"\ncontrast = 0.5\n')
    with pytest.raises(RecipeError) as caught:
        read_recipe(recipe)
    assert str(caught.value) == (
        f"spot.toml: detector.contrast: 0.5, but the weights {weights} are for 0.25; leave contrast out, or "
        "name other weights"
    )
