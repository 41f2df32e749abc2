"""The stages of a training, one after the other: how long each is, and what it trains on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.settings import check_optional_sides, check_range
from models.training.batches import BatchPlan
from models.training.config import LoopConfig
from models.training.errors import TrainingError

_LENGTHS = ("epochs", "steps", "seconds")
# More steps than a training of any time takes.
_ENDLESS = 10**12


@dataclass(frozen=True)
class StageConfig:
    """A stage of a training, one `[[stage]]` of a recipe; its length is one of epochs, steps and seconds.

    Attributes:
        epochs: Length in epochs.
        steps: Length in steps.
        seconds: Length in seconds.
        batch_size: Largest number of samples per step, over all processes; 0 for that of `[loop]`.
        rate_factor: Factor of the learning rate.
        width_px: Width of the network's input; 0 for the recipe's.
        height_px: Height of it, likewise.
    """

    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    batch_size: int = 0
    rate_factor: float = 1.0
    width_px: int = 0
    height_px: int = 0

    def __post_init__(self) -> None:
        check_range(self, 0, 1e9, *_LENGTHS, "batch_size")
        check_range(self, 0, 1e3, "rate_factor")
        check_optional_sides(self, "width_px", "height_px")
        given = [name for name in _LENGTHS if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"{(given or _LENGTHS)[-1]}: give one of {', '.join(_LENGTHS)}, got {len(given)}")


def check_stages(stages: Sequence[StageConfig], loop: LoopConfig) -> None:
    """Raise ValueError unless stages fit each other and the loop, as the `[[stage]]` of a recipe."""
    if stages and (loop.steps or loop.seconds):
        raise ValueError("loop: the stages have lengths of their own; remove steps and seconds")
    if len({stage.seconds > 0 for stage in stages}) > 1:
        raise ValueError("stage: some have a length in seconds; give it to all of them, or to none")


def make_single_stage(loop: LoopConfig) -> StageConfig:
    """The one stage of a training without stages of its own."""
    if loop.seconds:
        return StageConfig(seconds=loop.seconds)
    return StageConfig(steps=loop.steps) if loop.steps else StageConfig(epochs=loop.epochs)


class Course:
    """Where a training is: its stage and step, and how much of it is done.

    Args:
        stages: The stages.
        num_samples: Number of samples in an epoch.
        loop: Settings of the loop.

    Attributes:
        step: Number of steps taken, in all stages.
        seconds: Time taken, in all stages.
        stage: Number of the current stage, from 0.
        first_epoch: The epoch with which it began, from 0.
        num_steps: Number of steps of the whole training; 0 where its length is a time.
        num_seconds: Length of the whole training where it is a time, else 0.

    Raises:
        TrainingError: There are no samples.
    """

    def __init__(self, stages: Sequence[StageConfig], num_samples: int, loop: LoopConfig) -> None:
        self.step = self.stage = 0
        self.seconds = 0.0
        self._stages = tuple(stages)
        self._first_step = self.first_epoch = 0
        self._plans = [
            BatchPlan(
                num_samples,
                stage.batch_size or loop.batch_size,
                stage.epochs,
                loop.seed,
                _ENDLESS if stage.seconds else stage.steps,
            )
            for stage in stages
        ]
        self.num_seconds = sum(stage.seconds for stage in stages)
        self.num_steps = 0 if self.num_seconds else sum(plan.num_steps for plan in self._plans)

    @property
    def plan(self) -> BatchPlan:
        """The division of the current stage's samples into batches."""
        return self._plans[self.stage]

    @property
    def step_in_stage(self) -> int:
        """Number of steps taken in the current stage."""
        return self.step - self._first_step

    @property
    def epoch(self) -> int:
        """Number of finished epochs, in all stages; one that the end of a stage broke off counts."""
        return self.first_epoch + self.step_in_stage // self.plan.steps_per_epoch

    @property
    def last_epoch(self) -> int:
        """The epoch, from 0, of the last step."""
        return self.first_epoch + (self.step_in_stage - 1) // self.plan.steps_per_epoch

    @property
    def is_epoch_whole(self) -> bool:
        """Whether the last step ended an epoch."""
        return self.step_in_stage % self.plan.steps_per_epoch == 0

    @property
    def fraction(self) -> float:
        """How much of the training is done, 0 to 1, by time where that is its length, else by steps."""
        return self.seconds / self.num_seconds if self.num_seconds else self.step / self.num_steps

    @property
    def is_stage_over(self) -> bool:
        """Whether the current stage has its length."""
        if self.num_seconds:
            return self.seconds >= sum(stage.seconds for stage in self._stages[: self.stage + 1])
        return self.step_in_stage >= self.plan.num_steps

    @property
    def is_over(self) -> bool:
        """Whether the training has its length."""
        return self.stage == len(self._stages) - 1 and self.is_stage_over

    def advance(self) -> None:
        """Begin the next stage, with a new epoch."""
        self.first_epoch += -(-self.step_in_stage // self.plan.steps_per_epoch)
        self._first_step = self.step
        self.stage += 1

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds besides the step."""
        return {
            "stage": self.stage,
            "seconds": self.seconds,
            "first_step": self._first_step,
            "first_epoch": self.first_epoch,
        }

    def resume(self, step: int, state: Mapping[str, Any]) -> None:
        """Continue from a checkpoint.

        Raises:
            TrainingError: It has another number of stages.
        """
        stage = int(state["stage"])
        if not 0 <= stage < len(self._stages):
            raise TrainingError(
                f"the checkpoint is of stage {stage + 1}; this training has {len(self._stages)}"
            )
        self.step, self.stage, self.seconds = step, stage, float(state["seconds"])
        self._first_step, self.first_epoch = int(state["first_step"]), int(state["first_epoch"])


FROM_THE_START = {"stage": 0, "seconds": 0.0, "first_step": 0, "first_epoch": 0}
"""The state of a training of one stage in checkpoints that do not have it."""
