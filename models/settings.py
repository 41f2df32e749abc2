"""Settings as frozen dataclasses with checked ranges, and their strict reading from TOML tables.

Unknown keys, values of another type and values out of range are errors that name them.
"""

from __future__ import annotations

import reprlib
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
LONGEST_SIDE_PX = 16384
"""Largest side of a network's input; its maps would not fit into any memory beyond."""

_LARGEST_NUMBER = 2**63
_LONGEST_WORD = 80


class SettingsError(Exception):
    """Settings cannot be read, or are not valid."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        SettingsError: It cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: not valid TOML: nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError, and numbers of thousands of digits.
        raise SettingsError(f"{path}: not valid TOML: {error}") from error


def read_tables(path: Path, sections: dict[str, Any]) -> dict[str, Any]:
    """Read a recipe that consists of tables, each with its own settings dataclass.

    Args:
        path: A TOML file.
        sections: The dataclass of each possible table; `tuple[X, ...]` for one that may be there several times.

    Returns:
        The settings of its tables, by name.

    Raises:
        SettingsError: The file cannot be read or is not valid.
    """
    tables = read_toml(path)
    repeated = [name for name, kind in sections.items() if get_origin(kind) is tuple]
    check_tables(tables, sections, path.name, repeated)
    return {key: _read_section(sections[key], table, f"{path.name}: {key}") for key, table in tables.items()}


def _read_section(kind: Any, value: Any, where: str) -> Any:
    if get_origin(kind) is not tuple:
        return read_table(kind, value, where)
    return tuple(read_table(get_args(kind)[0], table, f"{where} {i + 1}") for i, table in enumerate(value))


def check_tables(
    tables: dict[str, Any], known: Iterable[str], where: str, repeated: Collection[str] = ()
) -> None:
    """Raise SettingsError unless the top level of a TOML file is tables of known names.

    Args:
        tables: The file.
        known: The names.
        where: Name of the file in messages.
        repeated: Those of the names that may be there several times.
    """
    known = list(known)
    for key, value in tables.items():
        if key not in known:
            raise SettingsError(f"{where}: unknown table '{_shorten(key)}'; {suggest(key, known)}")
        if key in repeated:
            if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
                raise SettingsError(f"{where}: '{key}' is a table that may be repeated; write it as [[{key}]]")
        elif not isinstance(value, dict):
            raise SettingsError(f"{where}: '{key}' is a table; write it as [{key}]")


def read_table(cls: type[T], table: dict[str, Any], where: str) -> T:
    """Make a settings dataclass from a TOML table, strictly.

    Args:
        cls: A frozen dataclass that checks its ranges itself; its fields are texts, numbers, booleans, and
            tuples of one of these, or of such tuples. A number may have words beside it, as
            `int | Literal["auto"]`.
        table: Its values by name.
        where: Name of the table in messages.

    Raises:
        SettingsError: A key is unknown or missing, or a value has another type or is out of range.
    """
    types = get_type_hints(cls)
    known = {entry.name: entry for entry in fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise SettingsError(f"{where}: unknown key '{_shorten(key)}'; {suggest(key, known)}")
    for name, entry in known.items():
        if entry.default is MISSING and entry.default_factory is MISSING and name not in table:
            raise SettingsError(f"{where}: '{name}' is missing")
    values = {key: _convert(types[key], value, f"{where}.{key}") for key, value in table.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise SettingsError(f"{where}.{error}") from error


def suggest(word: str, known: Iterable[str]) -> str:
    """Suggest a replacement for an unknown word: the nearest known one, or all of them."""
    known = list(known)
    close = get_close_matches(word.lower(), known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"


def _shorten(word: str) -> str:
    """A word from a file for messages: on one line and not long."""
    return word if word.isprintable() and len(word) <= _LONGEST_WORD else reprlib.repr(word)[1:-1]


def check_choice(settings: object, name: str, known: tuple[str, ...]) -> None:
    """Raise ValueError unless the named setting is one of the known words."""
    value = getattr(settings, name)
    if value not in known:
        raise ValueError(f"{name}: unknown '{_shorten(value)}'; {suggest(value, known)}")


def check_range(settings: object, low: float, high: float, *names: str) -> None:
    """Raise ValueError unless each named setting is from `low` to `high`."""
    for name in names:
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {value:g}")


def check_fraction(settings: object, *names: str) -> None:
    """Raise ValueError unless each named setting is from 0 to 1."""
    check_range(settings, 0, 1, *names)


def check_optional_choice(settings: object, name: str, known: tuple[str, ...]) -> None:
    """Raise ValueError unless the named setting is empty or one of the known words."""
    if getattr(settings, name):
        check_choice(settings, name, known)


def check_optional_range(settings: object, low: float, high: float, *names: str) -> None:
    """Raise ValueError unless each named setting is 0 or from `low` to `high`."""
    check_range(settings, low, high, *(name for name in names if getattr(settings, name)))


def check_optional_sides(settings: object, *names: str) -> None:
    """Raise ValueError unless each named setting is 0 or a positive multiple of 32."""
    check_sides(settings, *(name for name in names if getattr(settings, name)))


def check_sides(settings: object, *names: str) -> None:
    """Raise ValueError unless each named setting is a positive multiple of 32, the coarsest stride."""
    for name in names:
        value = getattr(settings, name)
        if value < 32 or value % 32:
            raise ValueError(f"{name}: expected a multiple of 32, got {value}")
        if value > LONGEST_SIDE_PX:
            raise ValueError(f"{name}: expected at most {LONGEST_SIDE_PX}, got {value}")


def _convert(wanted: Any, value: Any, where: str) -> Any:
    if get_origin(wanted) is tuple:
        kind, *rest = get_args(wanted)
        count = None if rest == [Ellipsis] else 1 + len(rest)
        if type(value) is not list or (count is not None and len(value) != count):
            each = "lists" if get_origin(kind) is tuple else f"{_NAMES[kind]}s"
            what = f"a list of {each}" if count is None else f"a list of {count} {each}"
            raise SettingsError(f"{where}: expected {what}, got {value!r}")
        return tuple(_convert(kind, part, where) for part in value)
    words: tuple[str, ...] = ()
    if get_origin(wanted) in (Union, UnionType):  # X | None: TOML has no None; it is left out.
        kinds = [kind for kind in get_args(wanted) if kind is not NoneType]
        words = tuple(word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind))
        (wanted,) = (kind for kind in kinds if get_origin(kind) is not Literal)
    if type(value) is str and value in words:
        return value
    is_whole_float = wanted is float and type(value) is int
    if type(value) is int and abs(value) > _LARGEST_NUMBER:
        raise SettingsError(f"{where}: expected a smaller number, got one of {value.bit_length()} bits")
    if type(value) is not wanted and not is_whole_float:
        article = "" if wanted is bool else "a "
        others = "".join(f' or "{word}"' for word in words)
        raise SettingsError(f"{where}: expected {article}{_NAMES[wanted]}{others}, got {value!r}")
    return float(value) if wanted is float else value


_NAMES: dict[type, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
