"""The training loop of all families.

A family passes in its data set, which is indexed by (epoch, index), a function from network and batch to named
losses, and a function that evaluates the network. A run that was killed and resumed takes the same steps with
the same losses as an uninterrupted one: see `models.training.batches` and `.checkpoint`.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from models.training.batches import BatchPlan, BatchSampler, count_batch
from models.training.checkpoint import CheckpointFolder, get_rng_state, set_rng_state
from models.training.config import LoopConfig
from models.training.distributed import World, average_over_world, gather_objects, share_network
from models.training.ema import Ema
from models.training.errors import TrainingError
from models.training.log import CsvLog, TensorBoardLog
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
from models.training.workers import WORKER_START, read_batches, start_worker

ComputeLosses = Callable[[nn.Module, Any], Mapping[str, Tensor]]
"""Computes losses by name from network and batch, each a scalar mean over the batch; their sum is minimised."""

Evaluate = Callable[[nn.Module, int], Mapping[str, float | None]]
"""Evaluates a network (in evaluation mode) after a number of epochs; the first metric decides which is best."""


@dataclass(frozen=True)
class Task:
    """What to train: network, data, losses and evaluation.

    Attributes:
        network: The network with its initial weights, on any device.
        dataset: The data set, indexed by (epoch, index); its samples can be collated by `DataLoader`.
        num_samples: Number of samples in the data set.
        compute_losses: Computes the losses of a batch.
        evaluate: Evaluates the network; called in the main process only.
        recipe_text: The recipe, which is stored in checkpoints.
        data_digest: Digest of the annotations, likewise; empty for none.
        collate: Makes a batch of samples; None for torch's default.
        body: Prefixes of the names of the parameters to which `OptimizerConfig.body_factor` applies.
    """

    network: nn.Module
    dataset: Dataset[Any]
    num_samples: int
    compute_losses: ComputeLosses
    evaluate: Evaluate | None = None
    recipe_text: str = ""
    data_digest: str = ""
    collate: Callable[[list[Any]], Any] | None = None
    body: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepReport:
    """A finished step: its number from 1, the number of all steps, its epoch from 0, and its losses."""

    step: int
    num_steps: int
    epoch: int
    losses: Mapping[str, float]
    learning_rate: float
    samples_per_s: float


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
        self.plan = BatchPlan(task.num_samples, loop.batch_size, loop.epochs, loop.seed, loop.steps)
        self.step = 0
        self.best_score = -math.inf
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
            _check_compiler(world.device)
            self._shared.compile()
        self._folder = folder if world.is_main else None
        self._checkpoints = None if folder is None else CheckpointFolder(folder, loop.keep_checkpoints)
        self._report = report if world.is_main else None
        self._losses = LossWindow()

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is evaluated and exported: the average if there is one, else the network itself."""
        return self.network if self._ema is None else self._ema.network

    def run(self, max_steps: int | None = None) -> None:
        """Train to the end, or for a number of steps.

        Raises:
            NonFiniteLossError: A loss became NaN or infinite.
        """
        end = self.plan.num_steps if max_steps is None else min(self.step + max_steps, self.plan.num_steps)
        logs = self._open_logs()
        self._shared.train()
        for batch in read_batches(self._make_loader(end)):
            self._take_step(batch)
            is_last = self.step == end
            is_epoch_end = self.step % self.plan.steps_per_epoch == 0 or self.step == self.plan.num_steps
            is_evaluation = is_epoch_end and self._is_evaluation_due()
            is_save = is_last or is_evaluation or self._is_save_due(is_epoch_end=is_epoch_end)
            if is_save or self.step % self._loop.log_every_steps == 0:
                self._write_log(logs)
            is_best = is_evaluation and self._evaluate(logs)
            if is_save:
                self._save(is_best=is_best)

    def state(self) -> dict[str, Any]:
        """The content of a checkpoint. Must be called in all processes.

        The state of the sampler and of the schedule is the step: both are functions of it.
        """
        return {
            "step": self.step,
            "epoch": self.step // self.plan.steps_per_epoch,
            "num_samples": self.plan.num_samples,
            "best_score": self.best_score,
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
            self.step, self.best_score = int(state["step"]), float(state["best_score"])
        # Of a damaged file that can be read, anything may be of another type or missing.
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise TrainingError(f"the checkpoint does not fit the network, or is damaged: {reason}") from error

    def _make_loader(self, end: int) -> DataLoader[Any]:
        sampler = BatchSampler(self.plan, self.step, end, rank=self._world.rank, world_size=self._world.size)
        return DataLoader(
            self.task.dataset,
            batch_sampler=sampler,
            num_workers=self._loop.num_workers,
            collate_fn=self.task.collate,
            pin_memory=self._world.device.type == "cuda",
            worker_init_fn=start_worker,
            multiprocessing_context=WORKER_START if self._loop.num_workers else None,
            # A generator of its own: the loader draws a number at its start, which a resumed run draws again.
            generator=torch.Generator(),
        )

    def _take_step(self, batch: Any) -> None:
        count = count_batch(self.plan, self.step)
        rate = self._base_rate * compute_schedule_factor(
            self._schedule, self.step, self.plan.steps_per_epoch, self.plan.num_steps
        )
        set_learning_rate(self._optimizer, rate)
        device = self._world.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self._loop.precision == "bf16"):
            losses = self.task.compute_losses(self._shared, _move(batch, device))
        # Fractions of a batch may differ by one sample; the mean over processes shall be that over samples.
        own_count = len(range(self._world.rank, count, self._world.size))
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        self._optimizer.zero_grad(set_to_none=True)
        (total * (own_count * self._world.size / count)).backward()  # type: ignore[no-untyped-call]
        if self._loop.max_grad_norm > 0:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._loop.max_grad_norm)
        self._optimizer.step()
        if self._ema is not None:
            self._ema.update(self.step)
        self._losses.add(self.step, count, losses)
        self.step += 1
        if self._report is not None:
            report = StepReport(
                self.step,
                self.plan.num_steps,
                (self.step - 1) // self.plan.steps_per_epoch,
                self._losses.last,
                rate,
                self._losses.samples_per_s,
            )
            self._report(report)

    def _is_evaluation_due(self) -> bool:
        every, epoch = self._loop.evaluate_every_epochs, self.step // self.plan.steps_per_epoch
        is_due = every > 0 and (epoch % every == 0 or self.step == self.plan.num_steps)
        return is_due and self.task.evaluate is not None

    def _is_save_due(self, *, is_epoch_end: bool) -> bool:
        every = self._loop.save_every_steps
        return self.step % every == 0 if every else is_epoch_end

    def _open_logs(self) -> _Logs | None:
        return None if self._folder is None else _Logs(self._folder, self.step)

    def _write_log(self, logs: _Logs | None) -> None:
        speed, means = self._losses.close()
        values = average_over_world(torch.tensor(list(means.values()), device=self._world.device), self._world)
        if logs is not None:
            row: dict[str, float | None] = {
                "epoch": (self.step - 1) // self.plan.steps_per_epoch,
                "learning_rate": self._optimizer.param_groups[0]["lr"],
                **dict(zip(means, values.tolist(), strict=True)),
                "samples_per_s": speed,
            }
            logs.training.write(self.step, row)
            logs.board.write(self.step, row)

    def _evaluate(self, logs: _Logs | None) -> bool:
        """Evaluate the network; returns whether it is the best so far."""
        assert self.task.evaluate is not None
        epoch, score = self.step // self.plan.steps_per_epoch, -math.inf
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
        self._losses.restart_clock()


class _Logs:
    """The output files of a run."""

    def __init__(self, folder: Path, first_step: int) -> None:
        self.training = CsvLog(folder / "train.csv", first_step)
        self.evaluation = CsvLog(folder / "evaluation.csv", first_step)
        self.board = TensorBoardLog(folder / "tensorboard", first_step)


def _check_compiler(device: torch.device) -> None:
    if device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        raise TrainingError(
            "compile = true needs a C++ compiler on a CPU, and there is none; "
            "install g++ (or name yours in CXX), or set compile = false"
        )


def _move(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {name: _move(value, device) for name, value in batch.items()}
    if isinstance(batch, list | tuple):
        return [_move(value, device) for value in batch]
    return batch
