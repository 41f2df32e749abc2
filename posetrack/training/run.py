"""What one training is told besides its recipe, and how both become a trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.training.config import LoopConfig
from models.training.distributed import World
from models.training.errors import TrainingError
from models.training.loop import StepReport, Task, Trainer
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


def make_trainer(task: Task, recipe: LoopedRecipe, run: TrainingRun) -> Trainer:
    """Make a task ready to run as a recipe says.

    Raises:
        TrainingError: There are no samples.
    """
    return Trainer(
        task,
        loop=recipe.loop,
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        world=run.world,
        folder=run.out_folder,
        report=run.report,
    )
