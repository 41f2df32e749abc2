"""The skeletons of training recipes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from models.keypoint_table import KeypointTable
from models.settings import SettingsError
from posetrack.errors import RecipeError
from posetrack.skeleton import COCO_17, Skeleton
from posetrack.skeleton_files import decode_skeleton, make_skeleton, read_skeleton

_FILES = (".toml", ".json")


def find_skeleton(recipe: Any) -> Skeleton:
    """Find the skeleton of a recipe: that of its table [skeleton], or the built-in one of `data.skeleton`.

    Args:
        recipe: A training recipe with a `data.skeleton`, and perhaps a `skeleton`.

    Raises:
        SettingsError: The table is not valid, or there is no skeleton of this name.
    """
    name, table = recipe.data.skeleton, getattr(recipe, "skeleton", None)
    try:
        if table is None or not table.is_given:
            return decode_skeleton(name)
        if name not in (COCO_17.name, table.name):
            raise SettingsError(
                f"data.skeleton: {name}, but the recipe has a table [skeleton] named {table.name}; leave one "
                "out"
            )
        return make_skeleton(table)
    except ValueError as error:
        prefix = "data" if table is None or not table.is_given else "skeleton"
        raise SettingsError(f"{prefix}.{error}") from error


def settle_skeleton(recipe: Any, data_folder: Path) -> Any:
    """Read the skeleton that a recipe takes from its data set, so that the recipe holds it itself.

    `data.skeleton` may be a file of the data: a TOML file with a table [skeleton], or COCO's annotations, whose
    category of people names the keypoints.

    Args:
        recipe: A training recipe.
        data_folder: Folder of its data.

    Returns:
        The recipe with a table [skeleton]; the same one where `data.skeleton` is a name.

    Raises:
        SettingsError: The file cannot be read, or the recipe has a table, too.
    """
    name = getattr(getattr(recipe, "data", None), "skeleton", "")
    if not name.lower().endswith(_FILES):
        return recipe
    if recipe.skeleton.is_given:
        raise SettingsError(f"data.skeleton: {name}, but the recipe has a table [skeleton]; leave one out")
    try:
        skeleton = read_skeleton(data_folder / name)
    except RecipeError as error:
        raise SettingsError(f"data.skeleton: {error}") from error
    table = KeypointTable(skeleton.name, skeleton.names, skeleton.flip_pairs, skeleton.edges, skeleton.sigmas)
    data = replace(recipe.data, skeleton=skeleton.name)
    return replace(recipe, data=data, skeleton=table)
