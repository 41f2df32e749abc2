"""What one training is told besides its recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.training.distributed import World
from models.training.loop import StepReport


@dataclass(frozen=True)
class TrainingRun:
    """Where one training reads and writes, and who takes part in it.

    Attributes:
        recipe_text: Kept in checkpoints.
        data_folder: What the recipe's paths are relative to.
        out_folder: For logs, checkpoints and pictures.
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
