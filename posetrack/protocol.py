"""The protocol of evaluations on images: what of a recipe is as papers test, and not as videos need it.

In a video, people of a low score are most often none, so recipes leave them out. AP ranks people by their
scores, and whoever is left out is a miss: the public codes keep everyone from a score near 0 on.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from posetrack.recipe import Recipe

_THRESHOLD = "score_threshold"


def use_protocol(recipe: Recipe, min_score: float | None = None) -> Recipe:
    """Lower the score from which a recipe's detector takes people.

    Args:
        recipe: The recipe.
        min_score: The score. None for that of the public codes, `DetectorSettings.EVALUATED_SCORE`: 0, and
            0.05 of networks in two stages, as torchvision and Detectron2 test them; or the recipe's own, where
            it is lower.

    Returns:
        The recipe for the evaluation.
    """
    own = find_threshold(recipe)
    if own is None:
        return recipe
    wanted: dict[str, Any] = {
        _THRESHOLD: min(own, recipe.detector.EVALUATED_SCORE) if min_score is None else min_score
    }
    return replace(recipe, detector=replace(recipe.detector, **wanted))


def find_threshold(recipe: Recipe) -> float | None:
    """The score from which a recipe's detector takes people; None for one that takes all."""
    has_one = any(entry.name == _THRESHOLD for entry in fields(recipe.detector))
    return getattr(recipe.detector, _THRESHOLD) if has_one else None


def ranks_by_detector(recipe: Recipe) -> bool:
    """Whether poses are ranked by the detector's scores, as papers rank those of networks in one pass."""
    return recipe.estimator is None and recipe.detector.RANKS_POSES
