"""The errors of training; each message is one line that says what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping


class TrainingError(Exception):
    """Training cannot start or continue."""


class DataError(TrainingError):
    """Training data cannot be read, or are not valid."""


class NonFiniteLossError(TrainingError):
    """A loss became NaN or infinite.

    Attributes:
        step: The step, from 0.
        components: The losses of the step by name.
    """

    def __init__(self, step: int, components: Mapping[str, float]) -> None:
        parts = ", ".join(f"{name} {value:g}" for name, value in components.items())
        super().__init__(
            f"step {step}: the loss is not finite ({parts}); lower optimizer.learning_rate, "
            "set loop.max_grad_norm, or continue from the last checkpoint with --resume"
        )
        self.step = step
        self.components = dict(components)
