import itertools

import pytest
import torch

from models.training import loop as loop_module
from models.training.checkpoint import CheckpointFolder, read_checkpoint
from models.training.config import LoopConfig
from models.training.distributed import World
from models.training.errors import TrainingError
from models.training.loop import Trainer
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.stages import Course, StageConfig, check_stages
from models.training.task import Task, TrainingStage
from tests.models.training.conftest import Points, compute_losses, make_network

LINEAR = ScheduleConfig("linear")


class Keys(Points):
    """The same samples, with a note of who asked for which."""

    def __init__(self, seen):
        self.seen = seen

    def __getitem__(self, key):
        self.seen.append(key)
        return super().__getitem__(key)


def make_staged(tmp_path, configs, seen=None, report=None, folder="out", **settings):
    stages = tuple(
        TrainingStage(config, Keys([] if seen is None else seen), compute_losses) for config in configs
    )
    return Trainer(
        Task(make_network(), Points(), 22, compute_losses, recipe_text="recipe", stages=stages),
        loop=LoopConfig(**{"batch_size": 5, "num_workers": 0, "log_every_steps": 2} | settings),
        optimizer=OptimizerConfig(learning_rate=0.01),
        schedule=LINEAR,
        world=World(0, 1, torch.device("cpu")),
        folder=tmp_path / folder,
        report=report,
    )


@pytest.fixture
def ticking(monkeypatch):
    """A clock that stands still but for one second a step."""
    ticks = itertools.count()
    monkeypatch.setattr(loop_module.time, "monotonic", lambda: float(next(ticks)))


def test_time_is_a_length_and_the_rate_follows_it(make_trainer, tmp_path, ticking):
    steps = []
    trainer = make_trainer(seconds=8.0, schedule=LINEAR, report=steps.append)
    trainer.run()
    assert [(step.seconds, step.num_seconds, step.num_steps) for step in steps] == [
        (second, 8, 0) for second in range(1, 9)
    ]
    assert [step.learning_rate for step in steps] == pytest.approx([0.01 * (1 - i / 8) for i in range(8)])
    assert trainer.course.is_over
    state = read_checkpoint(CheckpointFolder(tmp_path / "out").latest)
    assert (state["step"], state["course"]["seconds"]) == (8, 8)


def test_a_training_by_time_goes_on_where_it_was(make_trainer, tmp_path, ticking):
    make_trainer(seconds=8.0, schedule=LINEAR).run(3)
    after = []
    resumed = make_trainer(seconds=8.0, schedule=LINEAR, report=after.append)
    resumed.resume(read_checkpoint(CheckpointFolder(tmp_path / "out").latest))
    resumed.run()
    assert [step.seconds for step in after] == [4, 5, 6, 7, 8]
    assert after[0].learning_rate == pytest.approx(0.01 * 5 / 8)


def test_checkpoints_after_seconds(make_trainer, ticking):
    trainer = make_trainer(epochs=20, save_every_steps=1000, save_every_seconds=3.0, folder="out")
    saved = []
    trainer._checkpoints.save = lambda state, step, is_best: saved.append(step)
    trainer.run(8)
    assert saved == [3, 6, 8]


def test_an_interruption_leaves_a_checkpoint_of_whole_steps(make_trainer, tmp_path):
    whole, before, after = [], [], []
    make_trainer(folder="straight", report=whole.append).run()

    def interrupt(step):
        before.append(step)
        if step.step == 3:
            raise KeyboardInterrupt

    trainer = make_trainer(report=interrupt, save_every_steps=1000)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    state = read_checkpoint(CheckpointFolder(tmp_path / "out").latest)
    assert state["step"] == 3
    resumed = make_trainer(report=after.append, save_every_steps=1000)
    resumed.resume(state)
    resumed.run()
    assert [step.losses for step in before + after] == [step.losses for step in whole]


def test_an_interrupted_evaluation_is_made_when_the_training_goes_on(make_trainer, tmp_path):
    def interrupt(network, epoch):
        raise KeyboardInterrupt

    options = {"epochs": 1, "evaluate_every_epochs": 1}
    with pytest.raises(KeyboardInterrupt):
        make_trainer(evaluate=interrupt, **options).run()
    epochs = []

    def evaluate(network, epoch):
        epochs.append(epoch)
        return {"AP": 0.5}

    resumed = make_trainer(evaluate=evaluate, **options)
    resumed.resume(read_checkpoint(CheckpointFolder(tmp_path / "out").latest))
    assert resumed.course.is_over
    resumed.run()
    assert epochs == [1]
    assert read_checkpoint(tmp_path / "out" / "best.pt")["best_score"] == 0.5
    assert (tmp_path / "out" / "train.csv").read_text().count("\n5,") == 1


def test_stages_follow_one_another(tmp_path):
    seen, steps = [], []
    configs = (StageConfig(epochs=1, batch_size=11), StageConfig(steps=6, rate_factor=0.5))
    trainer = make_staged(tmp_path, configs, seen, steps.append)
    trainer.run()
    # Two steps of 11, then five of at most 5 for an epoch, and one of the next.
    assert [step.epoch for step in steps] == [0, 0, 1, 1, 1, 1, 1, 2]
    assert len({key for key in seen if key[0] == 0}) == len({key for key in seen if key[0] == 1}) == 22
    rates = [0.01 * (1 - i / 8) * (1 if i < 2 else 0.5) for i in range(8)]
    assert [step.learning_rate for step in steps] == pytest.approx(rates)
    assert {step.num_steps for step in steps} == {8}


@pytest.mark.parametrize("stop", [1, 2, 3, 7])
def test_a_run_killed_in_any_stage_resumes_to_the_same(tmp_path, stop):
    configs = (StageConfig(steps=2, batch_size=11), StageConfig(epochs=1, rate_factor=0.5))
    whole, parts = [], []
    make_staged(tmp_path, configs, report=whole.append, folder="whole").run()
    make_staged(tmp_path, configs, report=parts.append).run(stop)
    resumed = make_staged(tmp_path, configs, report=parts.append)
    resumed.resume(read_checkpoint(CheckpointFolder(tmp_path / "out").latest))
    resumed.run()
    assert [(step.losses, step.epoch, step.learning_rate) for step in parts] == [
        (step.losses, step.epoch, step.learning_rate) for step in whole
    ]


def test_stages_may_have_lengths_in_time(tmp_path, ticking):
    steps = []
    configs = (StageConfig(seconds=3, batch_size=11), StageConfig(seconds=2, rate_factor=0.7))
    make_staged(tmp_path, configs, report=steps.append).run()
    assert [step.seconds for step in steps] == [1, 2, 3, 4, 5]
    rates = [0.01, 0.008, 0.006, 0.004 * 0.7, 0.002 * 0.7]
    assert [step.learning_rate for step in steps] == pytest.approx(rates)


def test_a_stage_has_one_length():
    for lengths, name in (({}, "seconds"), ({"epochs": 1, "steps": 2}, "steps")):
        with pytest.raises(ValueError, match=f"^{name}: give one of epochs, steps, seconds, got"):
            StageConfig(**lengths)


def test_stages_fit_each_other_and_the_loop():
    steps, seconds = StageConfig(steps=1), StageConfig(seconds=1)
    with pytest.raises(ValueError, match=r"^stage: some have a length in seconds"):
        check_stages((steps, seconds), LoopConfig())
    with pytest.raises(ValueError, match=r"^loop: the stages have lengths"):
        check_stages((steps, steps), LoopConfig(steps=4))
    check_stages((), LoopConfig(steps=4))
    with pytest.raises(ValueError, match=r"^seconds: given beside steps"):
        LoopConfig(steps=1, seconds=1)


def test_a_checkpoint_of_more_stages_is_refused():
    course = Course([StageConfig(steps=1)], 4, LoopConfig())
    with pytest.raises(TrainingError, match="of stage 3; this training has 1"):
        course.resume(1, course.state() | {"stage": 2})
