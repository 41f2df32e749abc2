"""Look-up of tracking and training recipes by name or path."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from models.settings import SettingsError, suggest
from models.training.recipe import list_recipes as list_family_recipes
from posetrack.errors import RecipeError
from posetrack.families.table import FAMILIES

_USE_TRAINING = "a training recipe, for `posetrack train {0}`; this command takes those of `posetrack recipes`"
_USE_TRACKING = "a tracking recipe, for `posetrack run --recipe {0}`; this command takes training recipes"


def list_recipes() -> dict[str, Path]:
    """List the tracking recipes that ship with the package: name -> TOML file."""
    folder = Path(str(files("posetrack") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def list_training_recipes() -> dict[str, Path]:
    """List the training recipes that ship with the package: name -> TOML file."""
    return {name: path for family in FAMILIES for name, path in list_family_recipes(family).items()}


def find_recipe(name_or_path: str | Path) -> Path:
    """Find the file of a tracking recipe, by the name of one that ships with the package or by its path.

    Raises:
        RecipeError: There is none.
    """
    shipped, name = list_recipes(), str(name_or_path)
    path = shipped.get(name, Path(name_or_path))
    if path.is_dir():
        raise RecipeError(f"{name}: is a folder; give a TOML file, or {' or '.join(shipped)}")
    if path.is_file():
        return path
    if name in list_training_recipes():
        raise RecipeError(f"{name}: {_USE_TRAINING.format(name)}")
    raise RecipeError(
        f"{name}: no such recipe; {suggest(name, shipped)}, or the path of a TOML file "
        f"(shipped: {', '.join(shipped)})"
    )


def find_training_recipe(name_or_path: str) -> Path:
    """Find the file of a training recipe, by the name of one that ships with the package or by its path.

    Raises:
        SettingsError: There is none.
    """
    shipped = list_training_recipes()
    path = shipped.get(name_or_path, Path(name_or_path))
    if path.is_file():
        return path
    if name_or_path in list_recipes():
        raise SettingsError(f"{name_or_path}: {_USE_TRACKING.format(name_or_path)}")
    raise SettingsError(
        f"{name_or_path}: no such training recipe; {suggest(name_or_path, shipped)} "
        "Or give the path of a TOML file."
    )


def check_is_tracking(tables: dict[str, Any], path: Path) -> None:
    """Raise RecipeError if the tables of a TOML file are those of a training recipe."""
    if _is_training_recipe(tables):
        raise RecipeError(f"{path.name}: {_USE_TRAINING.format(path)}")


def check_is_training(tables: dict[str, Any], path: Path) -> None:
    """Raise SettingsError if the tables of a TOML file are those of a tracking recipe."""
    if "detector" in tables and not _is_training_recipe(tables):
        raise SettingsError(f"{path.name}: {_USE_TRACKING.format(path)}")


def _is_training_recipe(tables: dict[str, Any]) -> bool:
    return "detector" not in tables and not {"network", "loop", "optimizer"}.isdisjoint(tables)
