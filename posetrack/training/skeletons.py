"""The skeletons that training recipes name."""

from __future__ import annotations

from models.training.errors import TrainingRecipeError
from models.training.recipe import suggest
from posetrack.skeleton import SKELETONS, Skeleton


def find_skeleton(name: str) -> Skeleton:
    """The skeleton that a recipe's `data.skeleton` names.

    Raises:
        TrainingRecipeError: There is none of this name.
    """
    if name not in SKELETONS:
        raise TrainingRecipeError(f"data.skeleton: unknown '{name}'; {suggest(name, list(SKELETONS))}")
    return SKELETONS[name]
