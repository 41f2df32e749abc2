"""`posetrack recipes`: what can be asked for with --recipe."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from posetrack.recipe import list_recipes, read_recipe


def recipes_command() -> None:
    """List the recipes that ship with PoseTrack."""
    table = Table("recipe", "people", "poses", "tracking", "file")
    for name, path in list_recipes().items():
        recipe = read_recipe(name)
        poses = recipe.estimator.network if recipe.estimator else recipe.detector.network
        tracker = recipe.tracker
        how = f"{tracker.flow} flow, {tracker.match}, OKS >= {tracker.min_oks:g}"
        table.add_row(name, recipe.detector.network, poses, how, str(path))
    Console().print(table)
