"""`posetrack recipes`: the list of recipes for --recipe."""

from __future__ import annotations

from posetrack.families.table import list_embedded
from posetrack.predictors.settings import NetworkSettings
from posetrack.recipe import Recipe, gives_dense, gives_poses, read_recipe
from posetrack.recipe_files import list_recipes
from posetrack.weights.published import PUBLISHED

_SAME = "the same network"


def recipes_command() -> None:
    """List the recipes that ship with PoseTrack, best first; `posetrack doctor` says which can run here.

    Those that need no download come first.
    """
    shipped = list_recipes()
    for recipe in sorted(map(read_recipe, shipped), key=_rank):
        tracker = recipe.tracker
        print(f"{recipe.name}\n  for       {recipe.about.purpose}")
        print(f"  measured  {_describe_measured(recipe)}")
        print(f"  people    {recipe.detector.network}{_describe_size(recipe.detector)}")
        print(f"  poses     {_describe_poses(recipe)}")
        if gives_dense(recipe):
            print(f"  dense     {recipe.dense.network if recipe.dense else _SAME}")
        for line in _describe_weights(recipe):
            print(f"  weights   {line}")
        print(f"  tracking  {tracker.flow} flow, {tracker.match} matching from OKS {tracker.min_oks:g} up")
        print(f"  file      {shipped[recipe.name]}")


def _rank(recipe: Recipe) -> tuple[bool, float, float, str]:
    """The sort key of a recipe: whether it needs a download, then accuracy and speed, best first."""
    needs_download = any(each.weights not in list_embedded() for each in recipe.networks.values())
    return needs_download, -recipe.about.ap, -recipe.about.frames_per_s, recipe.name


def _describe_measured(recipe: Recipe) -> str:
    about = recipe.about
    parts = [
        *([f"AP {about.ap:.3f} on {about.ap_on}"] if about.ap else []),
        *([f"{about.frames_per_s:g} frames/s on two CPU cores"] if about.frames_per_s else []),
    ]
    return ", ".join(parts) or "not yet"


def _describe_size(settings: NetworkSettings) -> str:
    shorter, longest = (getattr(settings, f"{side}_side_px", 0) for side in ("shorter", "longest"))
    if shorter:
        return f" at {shorter} px on the shorter side"
    return f" at {longest} px" if longest else ""


def _describe_poses(recipe: Recipe) -> str:
    if recipe.estimator is not None:
        return recipe.estimator.network
    return _SAME if gives_poses(recipe) else "none; people are tracked by their boxes"


def _describe_weights(recipe: Recipe) -> list[str]:
    """One line for the weights of each network that do not ship with PoseTrack."""
    needed = [each.weights for each in recipe.networks.values() if each.weights not in list_embedded()]
    return [_describe_file(weights) for weights in needed] or ["ship with PoseTrack"]


def _describe_file(weights: str) -> str:
    if weights in PUBLISHED:
        return f"{weights}, {PUBLISHED[weights].licence}; posetrack weights fetch {weights}"
    return weights or "yours: --weights FILE"
