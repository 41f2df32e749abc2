"""Whether the weights of a recipe are on this machine, and what to do where they are not."""

from __future__ import annotations

from pathlib import Path

from models.checkpoints import EMBEDDED_SHA256
from posetrack.errors import WeightsError
from posetrack.recipe import OWN_WEIGHTS, DetectorRecipe, EstimatorRecipe, Recipe
from posetrack.weights.published import PUBLISHED
from posetrack.weights.store import find_weights


def find_lack(recipe: Recipe) -> str | None:
    """Say which weights a recipe needs that are not here; None when it can run.

    Whether they fit its networks is not looked at; only building it shows that.

    Args:
        recipe: Any.

    Returns:
        One line with what to do.
    """
    # --weights are for the network that gives the poses.
    if recipe.estimator is None:
        return _find_lack_of_stage(recipe.detector, "give a file with --weights")
    lack = _find_lack_of_stage(recipe.detector, "name a file in [detector]")
    return lack or _find_lack_of_stage(recipe.estimator, "give a file with --weights")


def _find_lack_of_stage(settings: DetectorRecipe | EstimatorRecipe, remedy: str) -> str | None:
    weights = settings.weights
    if settings.network in OWN_WEIGHTS or weights in EMBEDDED_SHA256:
        return None
    if not weights:
        return f"{settings.network} needs weights of yours; {remedy}"
    if weights not in PUBLISHED:
        return None if Path(weights).is_file() else f"{weights}: no such file; {remedy}"
    try:
        find_weights(weights)
    except WeightsError as error:
        return str(error)
    return None
