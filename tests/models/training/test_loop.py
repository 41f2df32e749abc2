import copy
import csv
import importlib.util
import logging
import re
import shutil
from dataclasses import replace

import pytest
import torch
from torch import nn

from models.training.checkpoint import CheckpointFolder, read_checkpoint
from models.training.errors import NonFiniteLossError, TrainingError
from models.training.optim import ScheduleConfig


class KilledError(Exception):
    pass


def read_rows(path):
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "samples_per_s"} for row in csv.DictReader(file)]


def evaluate(network, epoch):
    return {"score": -network(torch.ones(1, 4)).abs().item()}


@pytest.mark.parametrize("num_workers", [0, 1])
def test_run_killed_in_mid_epoch_resumes_to_the_same(make_trainer, tmp_path, num_workers):
    settings = {
        "evaluate": evaluate,
        "evaluate_every_epochs": 1,
        "save_every_steps": 2,
        "num_workers": num_workers,
    }
    whole = []
    torch.manual_seed(11)
    straight = make_trainer(folder="straight", report=whole.append, **settings)
    straight.run()

    before = []

    def die(step):
        before.append(step)
        if step.step == 9:
            raise KilledError

    torch.manual_seed(11)
    killed = make_trainer(folder="killed", report=die, **settings)
    with pytest.raises(KilledError):
        killed.run()

    after = []
    torch.manual_seed(999)
    resumed = make_trainer(folder="killed", report=after.append, **settings)
    resumed.resume(read_checkpoint(CheckpointFolder(tmp_path / "killed").latest))
    assert resumed.step == 8
    assert resumed.step % resumed.plan.steps_per_epoch != 0
    resumed.run()

    assert [step.losses for step in before[:8] + after] == [step.losses for step in whole]
    assert [step.learning_rate for step in before[:8] + after] == [step.learning_rate for step in whole]
    for a, b in ((straight.network, resumed.network), (straight.evaluated_network, resumed.evaluated_network)):
        assert all(
            torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
        )
    assert straight.best_score == resumed.best_score
    for name in ("train.csv", "evaluation.csv"):
        assert read_rows(tmp_path / "straight" / name) == read_rows(tmp_path / "killed" / name)


def test_losses_fall_and_are_logged(make_trainer, tmp_path):
    make_trainer(epochs=40, schedule=ScheduleConfig("constant")).run()
    rows = read_rows(tmp_path / "out" / "train.csv")
    assert list(rows[0]) == ["step", "epoch", "learning_rate", "loss", "square", "absolute"]
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    first = rows[0]
    assert float(first["loss"]) == pytest.approx(float(first["square"]) + float(first["absolute"]), rel=1e-5)


def test_max_steps_stops_and_leaves_a_checkpoint(make_trainer, tmp_path):
    trainer = make_trainer()
    trainer.run(3)
    assert trainer.step == 3
    state = read_checkpoint(tmp_path / "out" / "checkpoint-00000003.pt")
    assert (state["step"], state["epoch"], state["recipe"]) == (3, 0, "recipe")


def test_non_finite_loss_stops_with_step_and_components(make_trainer, tmp_path):
    calls = []

    def losses(network, batch):
        calls.append(1)
        value = network(batch["x"]).square().mean()
        return {"fine": value, "broken": value * (float("nan") if len(calls) == 4 else 1)}

    trainer = make_trainer(losses=losses, save_every_steps=1)
    with pytest.raises(
        NonFiniteLossError, match=r"step 3: the loss is not finite \(fine .*, broken nan\)"
    ) as caught:
        trainer.run()
    assert caught.value.step == 3
    assert set(caught.value.components) == {"fine", "broken"}
    last = read_checkpoint(CheckpointFolder(tmp_path / "out").latest)
    assert last["step"] == 3
    assert all(value.isfinite().all() for value in last["network"].values())


def test_best_and_last_checkpoints_are_kept(make_trainer, tmp_path):
    scores = iter([0.1, 0.9, None, 0.3])
    make_trainer(evaluate=lambda network, epoch: {"AP": next(scores)}, epochs=4, evaluate_every_epochs=1).run()
    names = sorted(path.name for path in (tmp_path / "out").glob("*.pt"))
    assert names == ["best.pt", "checkpoint-00000015.pt", "checkpoint-00000020.pt"]
    assert read_checkpoint(tmp_path / "out" / "best.pt")["epoch"] == 2
    assert [row["AP"] for row in read_rows(tmp_path / "out" / "evaluation.csv")] == ["0.1", "0.9", "", "0.3"]


def test_steps_end_a_training_within_an_epoch(make_trainer, tmp_path):
    scores = iter([0.1, 0.2, 0.3])
    options = {"epochs": 4, "steps": 12, "evaluate_every_epochs": 1}
    make_trainer(evaluate=lambda network, epoch: {"AP": next(scores)}, **options).run()
    rows = read_rows(tmp_path / "out" / "evaluation.csv")
    assert [(row["step"], row["AP"]) for row in rows] == [("5", "0.1"), ("10", "0.2"), ("12", "0.3")]
    assert read_checkpoint(CheckpointFolder(tmp_path / "out").latest)["step"] == 12


def test_average_follows_the_formula(make_trainer):
    trainer = make_trainer(ema_decay=0.9, folder=None)
    start = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trainer.run(1)
    # After the first step the decay is min(0.9, (1 + 0) / (10 + 0)).
    for name, value in trainer.evaluated_network.state_dict().items():
        torch.testing.assert_close(value, 0.1 * start[name] + 0.9 * trainer.network.state_dict()[name])
    assert not trainer.evaluated_network.training


def test_gradients_are_clipped(make_trainer):
    seen = []

    def losses(network, batch):
        seen.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
        return {"loss": 1e4 * network(batch["x"]).square().mean()}

    make_trainer(losses=losses, max_grad_norm=0.5, folder=None).run(2)
    assert torch.cat([grad.flatten() for grad in seen[1]]).norm().item() == pytest.approx(0.5, rel=1e-3)


def test_bf16_autocast_computes_in_bf16_and_keeps_f32_weights(make_trainer):
    seen = []

    def losses(network, batch):
        out = network(batch["x"])
        seen.append(out.dtype)
        return {"loss": (out - batch["y"]).square().mean()}

    trainer = make_trainer(losses=losses, precision="bf16", folder=None)
    trainer.run(2)
    assert seen == [torch.bfloat16] * 2
    assert {value.dtype for value in trainer.network.state_dict().values()} == {torch.float32}


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler here")
def test_compiled_network_takes_the_same_steps(make_trainer, tmp_path):
    network, plain, compiled = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), [], []
    make_trainer(copy.deepcopy(network), folder=None, report=plain.append).run(3)
    make_trainer(copy.deepcopy(network), report=compiled.append, compile=True).run(3)
    assert [step.losses for step in compiled] == [pytest.approx(step.losses, rel=1e-5) for step in plain]
    state = read_checkpoint(CheckpointFolder(tmp_path / "out").latest)
    assert set(state["network"]) == set(network.state_dict())


def test_compiling_without_a_compiler_is_refused(make_trainer, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(TrainingError, match=r"g\+\+ .*or set compile = false"):
        make_trainer(folder=None, compile=True)


def test_another_recipe_or_data_set_is_not_resumed(make_trainer):
    state = make_trainer(folder=None).state()
    for recipe, difference in {
        "a = 2": "a was 1, now 2",
        "a = 1\nloop.epochs = 3": "loop.epochs was not set, now 3",
        "[": "its text differs",
    }.items():
        with pytest.raises(TrainingError, match=f"another recipe: {re.escape(difference)}; give that one"):
            make_trainer(folder=None, recipe=recipe).resume(state | {"recipe": "a = 1"})
    make_trainer(folder=None, recipe="# the same\na = 1").resume(state | {"recipe": "a = 1"})
    trainer = make_trainer(folder=None)
    trainer.task = replace(trainer.task, data_digest="now")
    with pytest.raises(TrainingError, match="other annotations of as many samples"):
        trainer.resume(state | {"data_digest": "before"})
    trainer.resume(state)
    with pytest.raises(TrainingError, match="21 samples, but there are 22"):
        make_trainer(folder=None).resume(state | {"num_samples": 21})


@pytest.mark.parametrize("key", ["network", "optimizer", "step", "best_score", "rng", "course"])
@pytest.mark.parametrize("value", [None, "x", {"a": 1}])
def test_a_checkpoint_with_other_content_is_one_error(key, value, make_trainer):
    state = make_trainer(folder=None).state()
    with pytest.raises(TrainingError, match="does not fit the network, or is damaged") as caught:
        make_trainer(folder=None).resume(state | {key: value})
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="TensorBoard is installed")
def test_missing_tensorboard_is_one_note(make_trainer, caplog):
    with caplog.at_level(logging.INFO):
        make_trainer().run(1)
    assert [record.getMessage().count("pip install tensorboard") for record in caplog.records] == [1]
