"""Optimisers, and learning rates as pure functions of the step."""

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
    """How weights follow their gradients.

    Attributes:
        name: One of `OPTIMIZERS`.
        learning_rate: Before the schedule's factor.
        weight_decay: Not applied to biases and norms.
        momentum: Of SGD.
        is_nesterov: Nesterov's momentum, for SGD.
        body_factor: Of the learning rate, for what a network brings along from another training.
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
    """How the learning rate changes. The defaults are HRNet's (section 4.1): 1e-3, 1e-4, 1e-5 of 210 epochs.

    Attributes:
        name: One of `SCHEDULES`; `linear` falls to 0 at the last step.
        milestones_epochs: Finished epochs after which `multi_step` drops.
        milestones_steps: Steps after which it does, in place of epochs.
        drop_factor: By which it drops.
        warmup_steps: Steps over which the rate rises linearly first; 0 is none.
        warmup_factor: Fraction of the rate at the first step.
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
                raise ValueError(f"{name}: expected rising numbers, got {milestones}")


def compute_multi_step_factor(step: int, milestones_steps: Iterable[int], drop_factor: float) -> float:
    """Factor of the learning rate: `drop_factor` to the power of the milestones that `step` has reached.

    Args:
        step: From 0.
        milestones_steps: Steps from which the rate is lower.
        drop_factor: By which it drops at each.
    """
    return float(drop_factor ** sum(step >= milestone for milestone in milestones_steps))


def compute_linear_factor(step: int, num_steps: int) -> float:
    """Factor of the learning rate: from 1 at step 0 in a straight line to 0 at `num_steps`."""
    return max(0.0, 1 - step / num_steps)


def compute_warmup_factor(step: int, warmup_steps: int, start_factor: float) -> float:
    """Factor of the learning rate: from `start_factor` at step 0 in a straight line to 1 at `warmup_steps`."""
    if step >= warmup_steps:
        return 1.0
    return start_factor + (1 - start_factor) * step / warmup_steps


def compute_schedule_factor(schedule: ScheduleConfig, step: int, steps_per_epoch: int, num_steps: int) -> float:
    """Factor of the learning rate at a step, warm-up and schedule together.

    Args:
        schedule: Its settings.
        step: From 0, over the whole training.
        steps_per_epoch: Steps in one epoch.
        num_steps: Steps of the whole training.
    """
    factor = compute_warmup_factor(step, schedule.warmup_steps, schedule.warmup_factor)
    if schedule.name == "multi_step":
        milestones = schedule.milestones_steps or [
            epoch * steps_per_epoch for epoch in schedule.milestones_epochs
        ]
        return factor * compute_multi_step_factor(step, milestones, schedule.drop_factor)
    if schedule.name == "linear":
        return factor * compute_linear_factor(step, num_steps)
    return factor


def make_optimizer(
    network: nn.Module, config: OptimizerConfig, body: tuple[str, ...] = ()
) -> torch.optim.Optimizer:
    """Make the optimiser of a network's trainable parameters; biases and norms do not decay.

    Args:
        network: Whose parameters.
        config: How.
        body: How the names of those begin that `body_factor` is for.

    Raises:
        TrainingError: There is a `body_factor` and no body.
    """
    if config.body_factor != 1 and not body:
        raise TrainingError("optimizer.body_factor: this network learns as a whole; take it out")
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
    # On a CPU torch would go through the tensors one by one, which takes more than twice as long.
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
    """Give every parameter group this learning rate, times its factor."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group.get("rate_factor", 1.0)
