"""The run of a training (folders, processes, initial weights), and making a trainer from it and a task."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from models.checkpoints import compute_sha256
from models.training.config import LoopConfig
from models.training.distributed import World
from models.training.errors import TrainingError
from models.training.loop import Trainer
from models.training.optim import OptimizerConfig, ScheduleConfig
from models.training.task import Evaluate, StepReport, Task
from posetrack.outputs import check_is_no_input

# What a training writes besides checkpoints and sample images.
_FILES = ("recipe.toml", "train.csv", "evaluation.csv", "best.pt", "weights.safetensors")


@dataclass(frozen=True)
class TrainingRun:
    """Folders, processes and initial weights of a training.

    Attributes:
        recipe_text: The recipe, which is stored in checkpoints.
        data_folder: Folder that the recipe's paths are relative to.
        out_folder: Folder for logs, checkpoints and images.
        world: The processes of a distributed training.
        weights: The initial weights, instead of those that the recipe names.
        report: Called after each step.
    """

    recipe_text: str
    data_folder: Path
    out_folder: Path
    world: World
    weights: Path | None = None
    report: Callable[[StepReport], None] | None = None

    def find_samples(self, epoch: int) -> Path:
        """Path of the sample images of an epoch's evaluation."""
        return self.out_folder / "samples" / f"epoch-{epoch:03d}.jpg"

    def check_data_folder(self) -> None:
        """Raise TrainingError unless there is a data folder."""
        if not self.data_folder.is_dir():
            raise TrainingError(f"{self.data_folder}: no such folder; give the data's with --data")

    def check_out_folder(self) -> None:
        """Check that what is written at the first evaluation, or at the end, can be written.

        Raises:
            TrainingError: It cannot.
            ResultsError: It would replace the initial weights.
        """
        if self.weights is not None:
            check_is_no_input(self.out_folder / "weights.safetensors", self.weights)
        folders = (self.out_folder, self.find_samples(0).parent)
        for folder in folders:
            if folder.exists() and not folder.is_dir():
                raise TrainingError(f"{folder}: is a file, and a folder is needed; use another --out")
        for name in _FILES:
            if (self.out_folder / name).is_dir():
                raise TrainingError(
                    f"{self.out_folder / name}: is a folder; a file is written; use another --out"
                )
        for folder in folders:
            nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
            if not os.access(nearest, os.W_OK | os.X_OK):
                raise TrainingError(f"{folder}: cannot be written into; use another --out")


class LoopedRecipe(Protocol):
    """The tables that the recipes of all families have."""

    @property
    def loop(self) -> LoopConfig:
        """Settings of the loop."""

    @property
    def optimizer(self) -> OptimizerConfig:
        """Settings of the optimiser."""

    @property
    def schedule(self) -> ScheduleConfig:
        """Settings of the learning rate."""


def make_trainer(
    recipe: Any,
    run: TrainingRun,
    make_task: Callable[[Any, TrainingRun], Task],
    make_evaluation: Callable[[Any, TrainingRun], Evaluate] | None = None,
) -> Trainer:
    """Make the trainer of a recipe.

    Args:
        recipe: A `LoopedRecipe`; with `make_evaluation`, its `data.dev` is the dev set.
        run: The run.
        make_task: Makes network, data set and losses.
        make_evaluation: Makes the evaluation, in the main process, if there is a dev set.

    Raises:
        TrainingError: Data or weights are missing or not valid, or there are no samples.
        ResultsError: Annotations for the evaluation are missing or not valid.
    """
    run.check_data_folder()
    run.check_out_folder()
    torch.manual_seed(recipe.loop.seed)
    digest = _digest_annotations(recipe, run)
    task = replace(make_task(recipe, run), recipe_text=run.recipe_text, data_digest=digest)
    if recipe.loop.data == "device" and task.prepare is None:
        raise TrainingError('loop.data: this network has no training with "device"; take "loader"')
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


def _digest_annotations(recipe: Any, run: TrainingRun) -> str:
    """Digests of the files that a recipe's `data.train` and `[[more]]` name, in order, but not of folders."""
    sets = (getattr(recipe, "data", None), *getattr(recipe, "more", ()))
    paths = [run.data_folder / getattr(each, "train", "") for each in sets]
    return " ".join(compute_sha256(path) for path in paths if path.is_file())


def _evaluate_nothing(network: nn.Module, epoch: int) -> Mapping[str, float | None]:
    """The evaluation of the other processes, which must not be called."""
    raise AssertionError("only the main process evaluates")
