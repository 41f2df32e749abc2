"""Optimisers, and learning rate schedules as pure functions of the step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from models.settings import check_choice, check_range
from models.training.errors import TrainingError

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "multi_step", "linear")


@dataclass(frozen=True)
class OptimizerConfig:
    """Settings of the optimiser.

    Attributes:
        name: One of `OPTIMIZERS`.
        learning_rate: Learning rate before the schedule's factor.
        weight_decay: Weight decay; not applied to biases and norms.
        momentum: Momentum of SGD.
        is_nesterov: Whether SGD uses Nesterov's momentum.
        body_factor: Factor of the learning rate for the pretrained parameters of a network.
    """

    name: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    is_nesterov: bool = False
    body_factor: float = 1.0

    def __post_init__(self) -> None:
        check_choice(self, "name", OPTIMIZERS)
        check_range(self, 0.0, 1.0, "body_factor")
        check_range(self, 0.0, 1e3, "learning_rate")
        check_range(self, 0.0, 1.0, "weight_decay", "momentum")


@dataclass(frozen=True)
class ScheduleConfig:
    """Settings of the learning rate schedule; by default HRNet's (section 4.1): 1e-3, 1e-4, 1e-5 in 210 epochs.

    Attributes:
        name: One of `SCHEDULES`; `linear` decreases to 0 at the last step.
        milestones_epochs: Numbers of epochs after which `multi_step` drops.
        milestones_steps: Numbers of steps after which it drops, instead of epochs.
        drop_factor: Factor of each drop.
        warmup_steps: Steps of linear warm-up; 0 for none.
        warmup_factor: Factor of the learning rate at the first step of the warm-up.
    """

    name: str = "multi_step"
    milestones_epochs: tuple[int, ...] = (170, 200)
    milestones_steps: tuple[int, ...] = ()
    drop_factor: float = 0.1
    warmup_steps: int = 0
    warmup_factor: float = 1e-3

    def __post_init__(self) -> None:
        check_choice(self, "name", SCHEDULES)
        check_range(self, 0.0, 1.0, "drop_factor", "warmup_factor")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps: expected 0 or more, got {self.warmup_steps}")
        for name in ("milestones_epochs", "milestones_steps"):
            milestones = list(getattr(self, name))
            if milestones != sorted(set(milestones)):
                raise ValueError(f"{name}: expected ascending numbers, got {milestones}")


def compute_multi_step_factor(now: int, milestones: Iterable[int], drop_factor: float) -> float:
    """Compute the factor of the learning rate: `drop_factor` to the power of the number of milestones reached.

    Args:
        now: The step or epoch, from 0.
        milestones: Steps or epochs from which the rate is lower.
        drop_factor: Factor of each drop.
    """
    return float(drop_factor ** sum(now >= milestone for milestone in milestones))


def compute_linear_factor(fraction: float) -> float:
    """Compute the factor of the learning rate: linear from 1 at the start to 0 at the end.

    Args:
        fraction: How much of the training is done.
    """
    return max(0.0, 1 - fraction)


def compute_warmup_factor(step: int, warmup_steps: int, start_factor: float) -> float:
    """Compute the factor of the learning rate: linear from `start_factor` at step 0 to 1 at `warmup_steps`."""
    if step >= warmup_steps:
        return 1.0
    return start_factor + (1 - start_factor) * step / warmup_steps


def compute_schedule_factor(schedule: ScheduleConfig, *, step: int, epoch: int, fraction: float) -> float:
    """Compute the factor of the learning rate at a step, warm-up and schedule together.

    Args:
        schedule: Settings of the schedule.
        step: The step, from 0, over the whole training.
        epoch: The epoch, from 0, likewise.
        fraction: How much of the training is done, 0 to 1.
    """
    factor = compute_warmup_factor(step, schedule.warmup_steps, schedule.warmup_factor)
    if schedule.name == "multi_step":
        if schedule.milestones_steps:
            drops = compute_multi_step_factor(step, schedule.milestones_steps, schedule.drop_factor)
        else:
            drops = compute_multi_step_factor(epoch, schedule.milestones_epochs, schedule.drop_factor)
        return factor * drops
    if schedule.name == "linear":
        return factor * compute_linear_factor(fraction)
    return factor


def make_optimizer(
    network: nn.Module, config: OptimizerConfig, body: tuple[str, ...] = ()
) -> torch.optim.Optimizer:
    """Make the optimiser of a network's trainable parameters, without weight decay of biases and norms.

    Args:
        network: The network.
        config: Settings of the optimiser.
        body: Prefixes of the names of the parameters to which `body_factor` applies.

    Raises:
        TrainingError: There is a `body_factor`, but no such parameters.
    """
    if config.body_factor != 1 and not body:
        raise TrainingError("optimizer.body_factor: this network has no pretrained part; remove it")
    if config.body_factor == 1:
        body = ()
    named = [(name.startswith(body), p) for name, p in network.named_parameters() if p.requires_grad]
    parameters = [parameter for _, parameter in named]
    groups = [
        {
            "params": [p for in_body, p in named if in_body == is_body and (p.ndim > 1) == decays],
            "weight_decay": config.weight_decay if decays else 0.0,
            "lr": config.learning_rate * (config.body_factor if is_body else 1.0),
            "rate_factor": config.body_factor if is_body else 1.0,
        }
        for is_body in (False, True)
        for decays in (True, False)
    ]
    groups = [group for group in groups if group["params"]]
    # By default torch updates the tensors one by one on a CPU, which takes more than twice as long.
    is_fused = all(parameter.device.type == "cpu" for parameter in parameters) or None
    if config.name == "sgd":
        return torch.optim.SGD(
            groups,
            lr=config.learning_rate,
            momentum=config.momentum,
            nesterov=config.is_nesterov,
            fused=is_fused,
        )
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, fused=is_fused)
    return torch.optim.Adam(groups, lr=config.learning_rate, fused=is_fused)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the learning rate of every parameter group, multiplied by its factor."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("rate_factor", 1.0)
