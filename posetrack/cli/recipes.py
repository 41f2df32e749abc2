"""`posetrack recipes`: the list of recipes for --recipe."""

from __future__ import annotations

from posetrack.families.table import list_embedded
from posetrack.predictors.settings import NetworkSettings
from posetrack.recipe import read_recipe
from posetrack.recipe_files import list_recipes
from posetrack.weights.published import PUBLISHED


def recipes_command() -> None:
    """List the recipes that ship with PoseTrack; `posetrack doctor` says which can run here."""
    for name, path in list_recipes().items():
        recipe = read_recipe(name)
        poses = recipe.estimator.network if recipe.estimator else "the same network"
        tracker = recipe.tracker
        print(f"{name}\n  people    {recipe.detector.network}{_describe_size(recipe.detector)}")
        print(f"  poses     {poses}")
        print(f"  weights   {_describe_weights(recipe.estimator or recipe.detector)}")
        print(f"  tracking  {tracker.flow} flow, {tracker.match} matching from OKS {tracker.min_oks:g} up")
        print(f"  file      {path}")


def _describe_size(settings: NetworkSettings) -> str:
    shorter, longest = (getattr(settings, f"{side}_side_px", 0) for side in ("shorter", "longest"))
    if shorter:
        return f" at {shorter} px on the shorter side"
    return f" at {longest} px" if longest else ""


def _describe_weights(settings: NetworkSettings) -> str:
    weights = settings.weights
    if weights in list_embedded():
        return "ship with PoseTrack"
    if weights in PUBLISHED:
        return f"{weights}, {PUBLISHED[weights].licence}; posetrack weights fetch {weights}"
    return weights or "yours: --weights FILE"
