"""Writes the tables of docs/recipes.md: every key of a recipe with its default and what its docstring says.

python scripts/write_recipe_keys.py            # after a setting was added or its docstring changed
"""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from inspect import cleandoc
from pathlib import Path
from typing import Any

from models.keypoint_table import KeypointTable
from posetrack.families.table import load_families
from posetrack.processors.smooth import SmootherConfig
from posetrack.processors.stitch import StitcherConfig
from posetrack.recipe import About
from posetrack.results.people import ExportSettings
from trackers.flow_tracker import FlowTrackerConfig

PAGE = Path(__file__).parents[1] / "docs" / "recipes.md"
BEGIN = "<!-- keys: written by scripts/write_recipe_keys.py -->\n"


def main() -> None:
    """Write the page's tables anew; what stands before them stays."""
    text, _, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(text + BEGIN + make_tables(), encoding="utf-8")


def make_tables() -> str:
    """One section with a table for each settings dataclass, as Markdown."""
    return "".join(_make_section(title, kind) for title, kind in list_settings())


def list_settings() -> list[tuple[str, type[Any]]]:
    """The title and the dataclass of every table that a recipe may have, by family where these differ."""
    networks = [
        (f"[{table}] of the family {family.name}", role.settings)
        for table in ("detector", "estimator", "dense")
        for family in load_families()
        if (role := family.roles.get(table)) is not None
    ]
    return [
        *networks,
        ("[tracker]", FlowTrackerConfig),
        ("[stitcher]", StitcherConfig),
        ("[smoother]", SmootherConfig),
        ("[export]", ExportSettings),
        ("[about]", About),
        ("[skeleton]", KeypointTable),
    ]


def _make_section(title: str, kind: type[Any]) -> str:
    meanings = read_meanings(kind)
    rows = "".join(
        f"| `{entry.name}` | {_show_default(entry)} | {meanings[entry.name]} |\n" for entry in fields(kind)
    )
    return f"\n### {title}\n\n| key | default | meaning |\n|---|---|---|\n{rows}"


def read_meanings(kind: type[Any]) -> dict[str, str]:
    """What the docstrings of a dataclass and of its bases say of each field."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, attributes = cleandoc(base.__doc__ or "").partition("Attributes:\n")
        for name, text in re.findall(r"^    (\w+): (.*?)(?=^    \w|^\S|\Z)", attributes, re.M | re.S):
            found[name] = " ".join(text.split()).replace("|", "\\|")
    return found


def _show_default(entry: Field[Any]) -> str:
    if entry.default is MISSING:
        return "" if entry.default_factory is MISSING else f"`{entry.default_factory()}`"
    if isinstance(entry.default, bool):
        return f"`{str(entry.default).lower()}`"
    return f'`"{entry.default}"`' if isinstance(entry.default, str) else f"`{entry.default}`"


if __name__ == "__main__":
    main()
