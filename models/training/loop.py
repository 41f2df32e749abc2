"""The training loop of all families.

A family passes in its data set, which is indexed by (epoch, index), a function from network and batch to named
losses, and a function that evaluates the network. A run that was killed and resumed takes the same steps with
the same losses as an uninterrupted one: see `models.training.batches` and `.checkpoint`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from models.training.batches import BatchPlan, BatchSampler, count_batch
from models.training.checkpoint import CheckpointFolder, get_rng_state, set_rng_state
from models.training.compiling import compile_network
from models.training.config import LoopConfig
from models.training.distributed import World, average_over_world, gather_objects, move_batch, share_network
from models.training.ema import Ema
from models.training.errors import TrainingError
from models.training.graph import make_graphed
from models.training.log import TrainingLogs
from models.training.loss_window import LossWindow
from models.training.memory import keep_freed_memory
from models.training.optim import (
    OptimizerConfig,
    ScheduleConfig,
    compute_schedule_factor,
    make_optimizer,
    set_learning_rate,
)
from models.training.same_training import check_same_training
from models.training.stages import FROM_THE_START, Course, make_single_stage
from models.training.step import StepTaker
from models.training.task import StepReport, Task, TrainingStage
from models.training.workers import make_loader, read_batches

Hold = Callable[[], AbstractContextManager[None]]
"""Makes a context that keeps a KeyboardInterrupt back to its end."""


class Trainer:
    """A training run: its state and its loop.

    Args:
        task: What to train.
        loop: Settings of the loop.
        optimizer: Settings of the optimiser.
        schedule: Settings of the learning rate.
        world: The processes of a distributed training.
        folder: Folder for logs and checkpoints; None to write nothing.
        report: Called after each step, in the main process.

    Attributes:
        task: What to train.
        network: The network that learns.
        course: Where the training is.
        steps: Takes the steps.
        best_score: The best first metric of an evaluation.

    Raises:
        TrainingError: There are no samples, or `compile` on a CPU without a C++ compiler.
    """

    def __init__(
        self,
        task: Task,
        *,
        loop: LoopConfig,
        optimizer: OptimizerConfig,
        schedule: ScheduleConfig,
        world: World,
        folder: Path | None = None,
        report: Callable[[StepReport], None] | None = None,
    ) -> None:
        self.task = task
        self.best_score = -math.inf
        self._stages = task.stages or (
            TrainingStage(make_single_stage(loop), task.dataset, task.compute_losses, task.prepare),
        )
        self.course = Course([stage.config for stage in self._stages], task.num_samples, loop)
        self._loop = loop
        self._world = world
        self._schedule = schedule
        self._base_rate = optimizer.learning_rate
        if world.device.type == "cpu":
            keep_freed_memory()
        memory_format = torch.channels_last if loop.channels_last else torch.preserve_format
        self.network = task.network.to(world.device, memory_format=memory_format)  # type: ignore[call-overload]
        self._shared = share_network(self.network, world, sync_batch_norm=loop.sync_batch_norm)
        self._optimizer = make_optimizer(self.network, optimizer, task.body)
        self._ema = Ema(self.network, loop.ema_decay) if loop.ema_decay else None
        if loop.compile:
            compile_network(self._shared, world.device)
        self.steps = StepTaker(self.network, self._shared, self._optimizer, self._ema, loop, world.device)
        self.steps.graphed = make_graphed(self.network, loop, world, task.compute_losses)
        self._folder = folder if world.is_main else None
        self._checkpoints = None if folder is None else CheckpointFolder(folder, loop.keep_checkpoints)
        self._report = report if world.is_main else None
        self._losses = LossWindow()
        self._owes_evaluation = False

    @property
    def step(self) -> int:
        """Number of steps taken."""
        return self.course.step

    @property
    def plan(self) -> BatchPlan:
        """The division of samples into batches, in the current stage."""
        return self.course.plan

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is evaluated and exported: the average if there is one, else the network itself."""
        return self.network if self._ema is None else self._ema.network

    def run(self, max_steps: int | None = None, hold: Hold = nullcontext) -> None:
        """Train to the end, or for a number of steps.

        Interrupted, a single process leaves a checkpoint; of several, the last one that was due remains.

        Args:
            max_steps: The number of steps; None for all.
            hold: What each step is taken in, so that an interruption leaves whole steps.

        Raises:
            NonFiniteLossError: A loss became NaN or infinite.
        """
        course = self.course
        end = None if max_steps is None else self.step + max_steps
        logs = self._open_logs()
        self._shared.train()
        self._start_clock()
        try:
            if self._owes_evaluation:
                self._follow_step(logs, hold, is_last=True)
            while not course.is_over and self.step != end:
                if course.is_stage_over:
                    course.advance()
                self._run_stage(end, logs, hold)
        except KeyboardInterrupt:
            with hold():
                if self._world.size == 1 and self.step > self._saved_step:
                    self._write_log(logs)
                    self._save(is_best=False)
            raise

    def _run_stage(self, end: int | None, logs: TrainingLogs | None, hold: Hold) -> None:
        course, stage = self.course, self._stages[self.course.stage]
        last = course.plan.num_steps
        if end is not None:
            last = min(last, course.step_in_stage + end - self.step)
        for batch in self._read_batches(stage, last):
            with hold():
                self._take_step(batch, stage)
                self._owes_evaluation = self._is_evaluation_due()
            self._follow_step(logs, hold, is_last=self.step == end or course.is_over)
            if course.is_stage_over:
                break

    def _read_batches(self, stage: TrainingStage, end: int) -> Iterator[Any]:
        """Read a stage's batches, from its current step to one, onto the device."""
        batches = read_batches(self._make_loader(stage, end))
        while True:
            with self.steps.time_part("data"):
                batch = next(batches, None)
                if batch is None:
                    return
                batch = move_batch(batch, self._world.device)
                if stage.prepare is not None:
                    batch = stage.prepare(batch)
            yield batch

    def _follow_step(self, logs: TrainingLogs | None, hold: Hold, *, is_last: bool) -> None:
        """Log, evaluate and save what is due after a step."""
        is_save = is_last or self._owes_evaluation or self._is_save_due()
        if is_save or self.step % self._loop.log_every_steps == 0:
            with hold():
                self._write_log(logs)
        # Not held, as it may take minutes.
        is_best = self._owes_evaluation and self._evaluate(logs)
        self._owes_evaluation = False
        if is_save:
            with hold():
                self._save(is_best=is_best)

    def state(self) -> dict[str, Any]:
        """The content of a checkpoint. Must be called in all processes.

        The state of the sampler and of the schedule is the course: both are functions of it.
        """
        return {
            "step": self.step,
            "epoch": self.course.epoch,
            "course": self.course.state(),
            "num_samples": self.plan.num_samples,
            "best_score": self.best_score,
            "owes_evaluation": self._owes_evaluation,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "ema": None if self._ema is None else self._ema.network.state_dict(),
            "rng": gather_objects(get_rng_state(), self._world),
            "recipe": self.task.recipe_text,
            "data_digest": self.task.data_digest,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Restore the content of a checkpoint.

        Raises:
            TrainingError: It was made with another recipe, data set or network, or something in it is missing.
        """
        task = self.task
        check_same_training(state, task.recipe_text, self.plan.num_samples, task.data_digest)
        try:
            self.network.load_state_dict(state["network"])
            self._optimizer.load_state_dict(state["optimizer"])
            if self._ema is not None:
                self._ema.network.load_state_dict(state["ema"])
            if len(state["rng"]) == self._world.size:
                set_rng_state(state["rng"][self._world.rank])
            self.course.resume(int(state["step"]), state.get("course", FROM_THE_START))
            self.best_score = float(state["best_score"])
            self._owes_evaluation = bool(state.get("owes_evaluation", False))
        # Of a damaged file that can be read, anything may be of another type or missing.
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise TrainingError(f"the checkpoint does not fit the network, or is damaged: {reason}") from error

    def _make_loader(self, stage: TrainingStage, end: int) -> DataLoader[Any]:
        """The loader of a stage's batches, from its current step to one."""
        sampler = BatchSampler(
            self.plan,
            self.course.step_in_stage,
            end,
            rank=self._world.rank,
            world_size=self._world.size,
            first_epoch=self.course.first_epoch,
        )
        return make_loader(
            stage.dataset, sampler, self._world.device, self._loop.num_workers, self.task.collate
        )

    def _take_step(self, batch: Any, stage: TrainingStage) -> None:
        course = self.course
        count = count_batch(course.plan, course.step_in_stage)
        factor = compute_schedule_factor(
            self._schedule, step=course.step, epoch=course.epoch, fraction=course.fraction
        )
        rate = self._base_rate * factor * stage.config.rate_factor
        set_learning_rate(self._optimizer, rate)
        # Fractions of a batch may differ by one sample; the mean over processes shall be that over samples.
        own_count = len(range(self._world.rank, count, self._world.size))
        losses = self.steps.take(
            batch, stage.compute_losses, step=self.step, scale=own_count * self._world.size / count
        )
        self._losses.add(self.step, count, losses)
        course.step += 1
        self._read_clock()
        if self._report is not None:
            report = StepReport(
                course.step,
                course.num_steps,
                course.seconds,
                course.num_seconds,
                course.last_epoch,
                self._losses.last,
                rate,
                self._losses.samples_per_s,
            )
            self._report(report)

    def _start_clock(self) -> None:
        self._started_s = time.monotonic() - self.course.seconds
        self._saved_s, self._saved_step = self.course.seconds, self.step

    def _read_clock(self) -> None:
        """Note the time; where it decides what is done, all processes take the main one's."""
        seconds = time.monotonic() - self._started_s
        if self.course.num_seconds or self._loop.save_every_seconds:
            seconds = gather_objects(seconds, self._world)[0]
        self.course.seconds = seconds

    def _is_evaluation_due(self) -> bool:
        every, course = self._loop.evaluate_every_epochs, self.course
        is_due = every > 0 and ((course.is_epoch_whole and course.epoch % every == 0) or course.is_over)
        return is_due and self.task.evaluate is not None

    def _is_save_due(self) -> bool:
        every, course = self._loop.save_every_steps, self.course
        every_s = self._loop.save_every_seconds
        if every_s and course.seconds - self._saved_s >= every_s:
            return True
        return self.step % every == 0 if every else course.is_epoch_whole or course.is_stage_over

    def _open_logs(self) -> TrainingLogs | None:
        return None if self._folder is None else TrainingLogs(self._folder, self.step)

    def _write_log(self, logs: TrainingLogs | None) -> None:
        if self._losses.is_empty:
            return
        speed, means = self._losses.close()
        values = average_over_world(list(means.values()), self._world)
        if logs is not None:
            row: dict[str, float | None] = {
                "epoch": self.course.last_epoch,
                "learning_rate": self._optimizer.param_groups[0]["lr"],
                **dict(zip(means, values, strict=True)),
                "samples_per_s": speed,
            }
            logs.training.write(self.step, row)
            logs.board.write(self.step, row)

    def _evaluate(self, logs: TrainingLogs | None) -> bool:
        """Evaluate the network; returns whether it is the best so far."""
        assert self.task.evaluate is not None
        epoch, score = self.course.epoch, -math.inf
        if self._world.is_main:
            self.evaluated_network.eval()
            with torch.no_grad():
                numbers = dict(self.task.evaluate(self.evaluated_network, epoch))
            self.network.train()
            first = next(iter(numbers.values()), None)
            score = -math.inf if first is None else first
            if logs is not None:
                logs.evaluation.write(self.step, {"epoch": epoch, **numbers})
                logs.board.write(self.step, numbers)
        score = gather_objects(score, self._world)[0]
        is_best: bool = score > self.best_score
        self.best_score = max(score, self.best_score)
        # The time of evaluations does not count in the speed.
        self._losses.restart_clock()
        return is_best

    def _save(self, *, is_best: bool) -> None:
        if self._checkpoints is None:
            return
        state = self.state()
        if self._world.is_main:
            self._checkpoints.save(state, self.step, is_best=is_best)
        self._saved_s, self._saved_step = self.course.seconds, self.step
        self._losses.restart_clock()
