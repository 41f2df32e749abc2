"""Strict reading of training recipes: TOML tables to frozen dataclasses.

Any key that the dataclass does not have, and any value of another type or out of range, is an error that names
it.
"""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from models.training.errors import TrainingRecipeError

T = TypeVar("T")


def list_recipes(family: str) -> dict[str, Path]:
    """The recipes that ship with a family of networks, by its folder in `models`: name -> TOML file."""
    folder = Path(str(files("models") / family / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_recipe(path: Path, cls: type[T]) -> T:
    """Read a recipe, strictly.

    Args:
        path: A TOML file.
        cls: A frozen dataclass whose fields are dataclasses, each one table of the file.

    Raises:
        TrainingRecipeError: The file cannot be read or is not valid.
    """
    types = get_type_hints(cls)
    tables = read_tables(path, {entry.name: types[entry.name] for entry in fields(cls)})  # type: ignore[arg-type]
    try:
        return cls(**tables)
    except ValueError as error:
        raise TrainingRecipeError(f"{path.name}: {error}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        TrainingRecipeError: It cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingRecipeError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingRecipeError(f"{path}: not valid TOML: {error}") from error


def read_tables(path: Path, sections: dict[str, type[Any]]) -> dict[str, Any]:
    """Read a recipe whose top level is tables, each the settings of one thing.

    Args:
        path: A TOML file.
        sections: The tables that it may have, and the dataclass of each.

    Returns:
        The tables by name. One that the file lacks has its defaults.

    Raises:
        TrainingRecipeError: The file cannot be read or is not valid.
    """
    tables = read_toml(path)
    for key, value in tables.items():
        if key not in sections:
            raise TrainingRecipeError(f"{path.name}: unknown table '{key}'; {suggest(key, list(sections))}")
        if not isinstance(value, dict):
            raise TrainingRecipeError(f"{path.name}: '{key}' is a table; write it as [{key}]")
    return {
        name: read_table(cls, tables.get(name, {}), f"{path.name}: {name}") for name, cls in sections.items()
    }


def read_table(cls: type[T], table: dict[str, Any], where: str) -> T:
    """Make a settings dataclass from a TOML table, strictly.

    Args:
        cls: A frozen dataclass that checks its ranges itself; its fields are texts, numbers, booleans, and
            tuples of one of these.
        table: Its values by name.
        where: What to call the table in messages.

    Raises:
        TrainingRecipeError: A key is unknown or missing, or a value has another type or is out of range.
    """
    types = get_type_hints(cls)
    known = {entry.name: entry for entry in fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise TrainingRecipeError(f"{where}: unknown key '{key}'; {suggest(key, list(known))}")
    for name, entry in known.items():
        if entry.default is MISSING and entry.default_factory is MISSING and name not in table:
            raise TrainingRecipeError(f"{where}: '{name}' is missing")
    values = {key: _convert(types[key], value, f"{where}.{key}") for key, value in table.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise TrainingRecipeError(f"{where}.{error}") from error


def suggest(word: str, known: list[str]) -> str:
    """What to try instead of an unknown word: the nearest known one, or all of them."""
    close = get_close_matches(word.lower(), known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"


def check_choice(settings: object, name: str, known: tuple[str, ...]) -> None:
    """Raise ValueError unless the named setting is one of the known words."""
    value = getattr(settings, name)
    if value not in known:
        raise ValueError(f"{name}: unknown '{value}'; {suggest(value, list(known))}")


def check_range(settings: object, low: float, high: float, *names: str) -> None:
    """Raise ValueError unless each named setting is from `low` to `high`."""
    for name in names:
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {value:g}")


def _convert(wanted: Any, value: Any, where: str) -> Any:
    if get_origin(wanted) is tuple:
        kind, *rest = get_args(wanted)
        count = None if rest == [Ellipsis] else 1 + len(rest)
        if type(value) is not list or (count is not None and len(value) != count):
            what = f"a list of {_NAMES[kind]}s" if count is None else f"a list of {count} {_NAMES[kind]}s"
            raise TrainingRecipeError(f"{where}: expected {what}, got {value!r}")
        return tuple(_convert(kind, part, where) for part in value)
    is_whole_float = wanted is float and type(value) is int
    if type(value) is not wanted and not is_whole_float:
        article = "" if wanted is bool else "a "
        raise TrainingRecipeError(f"{where}: expected {article}{_NAMES[wanted]}, got {value!r}")
    return float(value) if wanted is float else value


_NAMES: dict[type, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
