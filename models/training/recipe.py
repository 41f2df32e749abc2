"""Reading of training recipes: TOML files whose tables are settings."""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import TypeVar, get_origin, get_type_hints

from models.settings import SettingsError, read_table, read_tables

T = TypeVar("T")


def list_recipes(family: str) -> dict[str, Path]:
    """List the recipes that ship with a family, given its folder in `models`: name -> TOML file."""
    folder = Path(str(files("models") / family / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_recipe(path: Path, cls: type[T]) -> T:
    """Read a recipe, strictly.

    Args:
        path: A TOML file.
        cls: A frozen dataclass whose fields are dataclasses, one for each table of the file; a missing table
            has the defaults. A field `tuple[X, ...]` is a table that may be there several times, or not.

    Raises:
        SettingsError: The file cannot be read or is not valid.
    """
    types = get_type_hints(cls)
    sections = {entry.name: types[entry.name] for entry in fields(cls)}  # type: ignore[arg-type]
    tables = read_tables(path, sections)
    for name, section in sections.items():
        if name not in tables and get_origin(section) is not tuple:
            tables[name] = read_table(section, {}, f"{path.name}: {name}")
    try:
        return cls(**tables)
    except ValueError as error:
        raise SettingsError(f"{path.name}: {error}") from error
