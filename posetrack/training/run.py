"""What one training is told besides its recipe, and how both become a trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from models.training.config import LoopConfig
from models.training.distributed import World
from models.training.errors import TrainingError
from models.training.loop import Evaluate, StepReport, Task, Trainer
from models.training.optim import OptimizerConfig, ScheduleConfig


@dataclass(frozen=True)
class TrainingRun:
    """Where one training reads and writes, and who takes part in it.

    Attributes:
        recipe_text: Kept in checkpoints.
        data_folder: What the recipe's paths are relative to.
        out_folder: For logs, checkpoints and images.
        world: The processes that train together.
        weights: What the network starts from, in place of what the recipe names.
        report: Called after each step.
    """

    recipe_text: str
    data_folder: Path
    out_folder: Path
    world: World
    weights: Path | None = None
    report: Callable[[StepReport], None] | None = None

    def find_samples(self, epoch: int) -> Path:
        """Where the sample images of an epoch's evaluation go."""
        return self.out_folder / "samples" / f"epoch-{epoch:03d}.jpg"

    def check_data_folder(self) -> None:
        """Raise TrainingError unless there is a data folder."""
        if not self.data_folder.is_dir():
            raise TrainingError(f"{self.data_folder}: no such folder; give the data's with --data")


class LoopedRecipe(Protocol):
    """What the recipes of all families have."""

    @property
    def loop(self) -> LoopConfig:
        """How long, how fast."""

    @property
    def optimizer(self) -> OptimizerConfig:
        """How weights follow gradients."""

    @property
    def schedule(self) -> ScheduleConfig:
        """How the learning rate changes."""


def make_trainer(
    recipe: Any,
    run: TrainingRun,
    make_task: Callable[[Any, TrainingRun], Task],
    make_evaluation: Callable[[Any, TrainingRun], Evaluate] | None = None,
) -> Trainer:
    """Make everything that a training recipe says, ready to run.

    Args:
        recipe: A `LoopedRecipe`; with `make_evaluation`, its `data.dev` says what to evaluate on.
        run: Where, and who takes part.
        make_task: Makes network, data set and losses.
        make_evaluation: Makes what evaluates the network, in the main process, where there is a dev set.

    Raises:
        TrainingError: Data or weights are missing or not what they should be, or there are no samples.
        ResultsError: The same of annotations to evaluate on.
    """
    run.check_data_folder()
    torch.manual_seed(recipe.loop.seed)
    task = make_task(recipe, run)
    if make_evaluation is not None and recipe.data.dev and recipe.loop.evaluate_every_epochs:
        evaluate = make_evaluation(recipe, run) if run.world.is_main else _evaluate_nothing
        task = replace(task, evaluate=evaluate)
    return _start(task, recipe, run)


def _start(task: Task, recipe: LoopedRecipe, run: TrainingRun) -> Trainer:
    return Trainer(
        task,
        loop=recipe.loop,
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        world=run.world,
        folder=run.out_folder,
        report=run.report,
    )


def _evaluate_nothing(network: nn.Module, epoch: int) -> Mapping[str, float | None]:
    """Stands where only the main process evaluates."""
    raise AssertionError("only the main process evaluates")
