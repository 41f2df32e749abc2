"""`posetrack recipes`: what can be asked for with --recipe."""

from __future__ import annotations

from importlib.resources import files

from posetrack.recipe import OWN_WEIGHTS, DetectorRecipe, EstimatorRecipe, list_recipes, read_recipe
from posetrack.weights.published import PUBLISHED

# How the names of bottom-up networks begin, which `models.swahr.variants` has; that would bring torch along.
BOTTOM_UP = ("swahr-", "higher-")


def recipes_command() -> None:
    """List the recipes that ship with PoseTrack; `posetrack doctor` says which can run here."""
    for name, path in list_recipes().items():
        recipe = read_recipe(name)
        poses = recipe.estimator.network if recipe.estimator else "the same network"
        tracker = recipe.tracker
        print(f"{name}\n  people    {recipe.detector.network} at {_describe_size(recipe.detector)}")
        print(f"  poses     {poses}")
        print(f"  weights   {_describe_weights(recipe.estimator or recipe.detector)}")
        print(f"  tracking  {tracker.flow} flow, {tracker.match} matching from OKS {tracker.min_oks:g} up")
        print(f"  file      {path}")


def _describe_size(detector: DetectorRecipe) -> str:
    if detector.network.startswith(BOTTOM_UP):
        return f"{detector.shorter_side_px} px on the shorter side"
    return f"{detector.longest_side_px} px"


def _describe_weights(stage: DetectorRecipe | EstimatorRecipe) -> str:
    if stage.network in OWN_WEIGHTS or (files("models") / "weights" / f"{stage.weights}.safetensors").is_file():
        return "ship with PoseTrack"
    if stage.weights in PUBLISHED:
        return f"{stage.weights}, {PUBLISHED[stage.weights].licence}; posetrack weights fetch {stage.weights}"
    return stage.weights or "yours: --weights FILE"
