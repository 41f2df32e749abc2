"""Benchmark of a training: how fast each part of its steps is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from models.training.loop import Trainer
from models.training.step import PARTS
from models.training.task import StepReport

_NEVER = 10**9


@dataclass(frozen=True)
class TrainingSpeed:
    """The result of a benchmark.

    Attributes:
        device: What the training ran on.
        samples_per_step: On average.
        steps: Number of timed steps.
        part_ms: Time of each part of a step, one after the other, on average.
        part_samples_per_s: Samples a second if a step were that part alone.
        samples_per_s: Samples a second of whole steps, whose parts may overlap on a GPU.
    """

    device: str
    samples_per_step: float
    steps: int
    part_ms: dict[str, float]
    part_samples_per_s: dict[str, float]
    samples_per_s: float


def list_timed_recipes(recipe: Any, num_steps: int) -> list[Any]:
    """List the recipes to time in place of one: itself, or one for each of its stages.

    Args:
        recipe: The recipe of a training.
        num_steps: Number of steps that they are to have.

    Returns:
        Recipes of one stage and this length, without evaluation and with as few checkpoints as there can be.
    """
    loop = replace(
        recipe.loop,
        steps=num_steps,
        seconds=0.0,
        evaluate_every_epochs=0,
        save_every_steps=_NEVER,
        save_every_seconds=0.0,
        log_every_steps=_NEVER,
    )
    if not getattr(recipe, "stage", ()):
        return [replace(recipe, loop=loop)]
    loop = replace(loop, steps=0)
    own = {"epochs": 0, "seconds": 0.0, "steps": num_steps}
    return [replace(recipe, loop=loop, stage=(replace(stage, **own),)) for stage in recipe.stage]


def count_steps(steps: int, warm_up: int) -> int:
    """The number of steps that a benchmark takes: after the warm-up some by part, and as many as a whole."""
    return warm_up + 2 * steps


def measure_training(
    make_trainer: Callable[[Callable[[StepReport], None]], Trainer], steps: int, warm_up: int
) -> TrainingSpeed:
    """Take steps of a training, and time them.

    Args:
        make_trainer: Makes the trainer, which calls what it is given after each step; its training has
            `count_steps` steps.
        steps: Number of steps that are timed by part, and then as a whole.
        warm_up: Number of steps before them, at least 1.

    Raises:
        TrainingError: Data or weights are missing or not valid.
    """
    clock = _Clock(steps, warm_up)
    trainer = make_trainer(clock.note_step)
    clock.device = next(trainer.network.parameters()).device
    trainer.steps.time_part = clock.time_part
    trainer.run(count_steps(steps, warm_up))
    samples = trainer.plan.num_samples / trainer.plan.steps_per_epoch
    part_s = {name: clock.part_s[name] / steps for name in PARTS}
    return TrainingSpeed(
        device=str(clock.device),
        samples_per_step=samples,
        steps=steps,
        part_ms={name: 1e3 * seconds for name, seconds in part_s.items()},
        part_samples_per_s={name: samples / max(seconds, 1e-9) for name, seconds in part_s.items()},
        samples_per_s=samples * steps / max(clock.whole_s, 1e-9),
    )


class _Clock:
    """Times the parts of some steps, waiting for the device after each, and then as many steps as a whole.

    Attributes:
        device: The device to wait for.
        part_s: Time of each part, of all steps.
        whole_s: Time of the whole steps.
    """

    def __init__(self, steps: int, warm_up: int) -> None:
        self.device = torch.device("cpu")
        self.part_s = dict.fromkeys(PARTS, 0.0)
        self.whole_s = 0.0
        self._steps, self._warm_up = steps, warm_up
        self._is_timing = False

    def note_step(self, report: StepReport) -> None:
        """To be called after each step."""
        taken = report.step - self._warm_up
        if taken in (0, self._steps, 2 * self._steps):
            now_s = self._wait()
            self._is_timing = taken == 0
            if taken == self._steps:
                self._whole_since_s = now_s
            elif taken:
                self.whole_s = now_s - self._whole_since_s

    @contextmanager
    def time_part(self, part: str) -> Iterator[None]:
        """Time a part of a step, if it is time for that."""
        started_s = self._wait() if self._is_timing else 0.0
        yield
        if self._is_timing:
            self.part_s[part] += self._wait() - started_s

    def _wait(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
