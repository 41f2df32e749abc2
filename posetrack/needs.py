"""Whether the weights of a recipe are on this machine, and what to do where they are not."""

from __future__ import annotations

from pathlib import Path

from posetrack.errors import WeightsError
from posetrack.families.table import list_embedded
from posetrack.predictors.settings import NetworkSettings
from posetrack.recipe import Recipe
from posetrack.weights.published import PUBLISHED
from posetrack.weights.store import find_weights
from trackers.flow import GIVEN_FLOWS


def find_lack(recipe: Recipe) -> str | None:
    """Say which weights a recipe needs that are not here; None when it can run.

    Whether they fit its networks is not looked at; only building it shows that.

    Args:
        recipe: Any.

    Returns:
        One line with what to do.
    """
    if recipe.tracker.flow in GIVEN_FLOWS:
        lack = _find_lack(
            NetworkSettings(weights=recipe.tracker.flow_weights), "name a file in tracker.flow_weights"
        )
        if lack is not None:
            return lack
    for table, settings in recipe.networks.items():
        remedy = "give a file with --weights" if table == recipe.pose_table else f"name a file in [{table}]"
        lack = _find_lack(settings, remedy)
        if lack is not None:
            return lack
    return None


def _find_lack(settings: NetworkSettings, remedy: str) -> str | None:
    weights = settings.weights
    if weights in list_embedded():
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
