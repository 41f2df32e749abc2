"""`posetrack recipes`: what can be asked for with --recipe."""

from __future__ import annotations

from posetrack.recipe import list_recipes, read_recipe


def recipes_command() -> None:
    """List the recipes that ship with PoseTrack."""
    for name, path in list_recipes().items():
        recipe = read_recipe(name)
        poses = recipe.estimator.network if recipe.estimator else "the same network"
        tracker = recipe.tracker
        print(f"{name}\n  people    {recipe.detector.network} at {recipe.detector.longest_side_px} px")
        print(f"  poses     {poses}")
        print(f"  tracking  {tracker.flow} flow, {tracker.match} matching from OKS {tracker.min_oks:g} up")
        print(f"  file      {path}")
