"""Training of dense poses in crops, from a recipe to evaluated weights."""

import pytest
import torch
from made_dense_crops import BOX, SMALL, ColourReader, write_people
from safetensors.torch import save_file

from models.densepose.crops.network import DenseCropNetwork
from models.densepose.crops.recipe import read_dense_crop_recipe
from models.densepose.crops.variants import NETWORKS
from models.training.distributed import World
from posetrack.training.dense_crops import make_dense_crop_evaluation, make_dense_crop_task
from posetrack.training.run import TrainingRun, make_trainer

RECIPE = """
[network]
name = "thunder-densepose"
body = "body.safetensors"
frozen_stages = 2
[data]
train = "people.json"
train_images = "."
dev = "people.json"
dev_images = "."
symmetry = "made"
mesh = "made"
[[more]]
train = "people.json"
train_images = "."
times = 0.5
[crop]
width_px = 96
height_px = 128
[augment]
shift = 0.05
[losses]
coordinate_loss = "absolute"
limb_weight = 0.5
[optimizer]
name = "adamw"
learning_rate = 1e-3
body_factor = 0.1
[schedule]
name = "constant"
[loop]
epochs = 1
batch_size = 3
num_workers = 0
"""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A small network under the name of the large one, on one thread, which is faster."""
    monkeypatch.setitem(NETWORKS, "thunder-densepose", SMALL)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_recipe_becomes_a_training(tmp_path):
    x, y, w, h = BOX
    write_people(tmp_path, 4, [x + w / 2, y + h / 2, 2] * 17)
    torch.manual_seed(0)
    body = DenseCropNetwork(SMALL).state_dict()
    kept = {name: value.contiguous() for name, value in body.items() if not name.startswith("dense.")}
    save_file(kept, tmp_path / "body.safetensors")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    recipe = read_dense_crop_recipe(tmp_path / "recipe.toml")
    run = TrainingRun("", tmp_path, tmp_path / "out", World(0, 1, torch.device("cpu")))
    trainer = make_trainer(recipe, run, make_dense_crop_task, make_dense_crop_evaluation)
    assert trainer.plan.num_samples == 6
    trainer.run()
    assert trainer.step == 2
    state = trainer.network.state_dict()
    assert torch.equal(state["backbone.stem.weight"], body["backbone.stem.weight"])
    assert not torch.equal(state["neck.0.weight"], body["neck.0.weight"])
    header, row = (tmp_path / "out" / "evaluation.csv").read_text().splitlines()
    assert header.startswith("step,epoch,gps_AP")
    assert row.startswith("2,1,")
    log = (tmp_path / "out" / "train.csv").read_text().splitlines()[0]
    assert all(f"{name}" in log for name in ("coarse", "fine", "u", "v", "limbs"))


def test_a_network_that_reads_everything_off_is_evaluated_as_such(tmp_path):
    write_people(tmp_path, 2)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    recipe = read_dense_crop_recipe(tmp_path / "recipe.toml")
    run = TrainingRun("", tmp_path, tmp_path / "out", World(0, 1, torch.device("cpu")))
    run.find_samples(1).parent.mkdir(parents=True)
    metrics = make_dense_crop_evaluation(recipe, run)(ColourReader().eval(), 1)
    assert metrics["gps_AP"] > 0.7
    assert metrics["iou_AP"] > 0.9
    assert run.find_samples(1).is_file()
