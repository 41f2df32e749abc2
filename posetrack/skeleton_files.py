"""Skeletons of one's own: tables [skeleton] of TOML files, and the text that weights and poses carry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.keypoint_table import KeypointTable
from models.settings import SettingsError, read_table, read_toml, suggest
from posetrack.body_parts import PART_SIGMAS, name_part_of_body
from posetrack.errors import RecipeError
from posetrack.json_fields import read_json
from posetrack.skeleton import SKELETONS, Skeleton

TABLE = "skeleton"
"""Name of the table."""

_REMEMBERED = 64


def make_skeleton(table: KeypointTable, *, is_whole: bool = False) -> Skeleton:
    """Make a skeleton of a table.

    Args:
        table: The table.
        is_whole: Whether nothing is left out, as in what we write ourselves: no pairs are none, and sigmas
            must be there.

    Raises:
        ValueError: It contradicts itself, lacks sigmas that are not known, or has the name of a built-in
            skeleton that is another one.
    """
    names = table.names
    if len(set(names)) < len(names):
        raise ValueError(f"names: '{next(name for name in names if names.count(name) > 1)}' stands twice")
    swaps = [(name, f"right_{name.removeprefix('left_')}") for name in names if name.startswith("left_")]
    pairs = table.pairs if table.pairs or is_whole else tuple(pair for pair in swaps if pair[1] in names)
    sigmas = table.sigmas
    if not sigmas and not is_whole:
        parts = [name_part_of_body(name) for name in names]
        unknown = [name for name, part in zip(names, parts, strict=True) if part not in PART_SIGMAS]
        if unknown:
            raise ValueError(
                f"sigmas: none is known for {unknown[0]}; list one for each of the {len(names)} names"
            )
        sigmas = tuple(PART_SIGMAS[part] for part in parts)
    if len(sigmas) != len(names):
        raise ValueError(f"sigmas: {len(sigmas)}, but there are {len(names)} names; list one for each")
    if not all(0 < sigma <= 1 for sigma in sigmas):
        raise ValueError(f"sigmas: expected numbers above 0 up to 1, got {min(sigmas):g} to {max(sigmas):g}")
    _check_pairs(pairs, "pairs", names, once=True)
    _check_pairs(table.limbs, "limbs", names, once=False)
    if not all(name.isprintable() and 0 < len(name) <= 100 for name in (table.name, *names)):
        raise ValueError("names: expected words of up to 100 letters")
    skeleton = Skeleton(table.name, names, table.limbs, pairs, sigmas)
    built_in = SKELETONS.get(table.name)
    if built_in is None:
        return skeleton
    # Its order of grouping is not in the table.
    if replace(built_in, grouped=()) != skeleton:
        raise ValueError(f"name: {table.name} is built in, with other keypoints or limbs; give another name")
    return built_in


def _check_pairs(pairs: tuple[tuple[str, str], ...], what: str, names: tuple[str, ...], *, once: bool) -> None:
    """Raise ValueError unless pairs are of two keypoints of these names, each in one pair only if `once`."""
    for pair in pairs:
        for name in pair:
            if name not in names:
                raise ValueError(f"{what}: '{name}' is none of the names; {suggest(name, names)}")
        if pair[0] == pair[1]:
            raise ValueError(f"{what}: '{pair[0]}' with itself; expected two keypoints")
    paired = [name for pair in pairs for name in pair]
    if once and len(set(paired)) < len(paired):
        twice = next(name for name in paired if paired.count(name) > 1)
        raise ValueError(f"{what}: '{twice}' is in two pairs; every keypoint has one mirror image")


def list_fields(skeleton: Skeleton) -> dict[str, Any]:
    """The fields of the table of a skeleton, for TOML and JSON."""
    return {
        "name": skeleton.name,
        "names": list(skeleton.names),
        "pairs": [list(pair) for pair in skeleton.flip_pairs],
        "limbs": [list(pair) for pair in skeleton.edges],
        "sigmas": list(skeleton.sigmas),
    }


def encode_skeleton(skeleton: Skeleton) -> str:
    """The text that settings and weights carry: a built-in skeleton's name, or the table of another as JSON."""
    if SKELETONS.get(skeleton.name) == skeleton:
        return skeleton.name
    return json.dumps(list_fields(skeleton))


@lru_cache(maxsize=_REMEMBERED)
def decode_skeleton(text: str) -> Skeleton:
    """The skeleton of a text; the inverse of `encode_skeleton`.

    Raises:
        ValueError: It is no such text.
    """
    if text in SKELETONS:
        return SKELETONS[text]
    if not text.startswith("{"):
        raise ValueError(f"skeleton: unknown '{text[:80]}'; {suggest(text[:80], SKELETONS)}")
    try:
        fields = json.loads(text)
    except (RecursionError, json.JSONDecodeError):
        raise ValueError(f"skeleton: not JSON: {text[:40]!r}") from None
    return decode_fields(fields, "skeleton", is_whole=True)


def decode_fields(fields: Mapping[str, Any], where: str, *, is_whole: bool = False) -> Skeleton:
    """The skeleton of the fields of a table; the inverse of `list_fields`.

    Args:
        fields: The fields.
        where: Name of the table in messages.
        is_whole: As for `make_skeleton`.

    Raises:
        ValueError: A field is not what it should be.
    """
    try:
        table = read_table(KeypointTable, dict(fields), where)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    if not table.is_given:
        raise ValueError(f"{where}: 'names' is missing")
    try:
        return make_skeleton(table, is_whole=is_whole)
    except ValueError as error:
        raise ValueError(f"{where}.{error}") from None


def describe_skeleton(text: str) -> str:
    """Name a skeleton for people: a built-in one by its name, another with its keypoints.

    Args:
        text: As settings and weights carry it; one that cannot be read is shown as it is.
    """
    try:
        skeleton = decode_skeleton(text)
    except ValueError:
        return text
    return text if text in SKELETONS else f"{skeleton.name} ({', '.join(skeleton.names)})"


def list_category_fields(skeleton: Skeleton) -> dict[str, Any]:
    """What a category of a COCO file says of its keypoints; of a built-in skeleton, COCO's own fields alone."""
    fields: dict[str, Any] = {
        "keypoints": list(skeleton.names),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edge_index],
    }
    if SKELETONS.get(skeleton.name) != skeleton:
        pairs = [list(pair) for pair in skeleton.flip_pairs]
        fields |= {"skeleton_name": skeleton.name, "flip_pairs": pairs, "sigmas": list(skeleton.sigmas)}
    return fields


def read_category(category: Mapping[str, Any], where: str) -> Skeleton:
    """The skeleton of a category of a COCO file, whose names are those of no built-in one.

    Args:
        category: With `keypoints`, perhaps `skeleton`, COCO's limbs, and the fields of `list_category_fields`.
        where: Its name in messages.

    Raises:
        ValueError: A field is not what it should be, or sigmas are missing.
    """
    names = category.get("keypoints")
    limbs = category.get("skeleton") or []
    if not isinstance(names, list) or not isinstance(limbs, list):
        raise ValueError(f"{where}: expected lists of names as keypoints, and of pairs as skeleton")
    is_pair = [
        isinstance(limb, list) and len(limb) == 2 and all(type(k) is int for k in limb) for limb in limbs
    ]
    if not all(is_pair) or not all(1 <= k <= len(names) for limb in limbs for k in limb):
        raise ValueError(f"{where}.skeleton: expected pairs of numbers from 1 to {len(names)}")
    fields = {
        "name": category.get("skeleton_name") or f"keypoints{len(names)}",
        "names": names,
        "limbs": [[names[a - 1], names[b - 1]] for a, b in limbs],
        "pairs": category.get("flip_pairs") or [],
        "sigmas": category.get("sigmas") or [],
    }
    return decode_fields(fields, where)


def read_skeleton(name_or_file: str | Path) -> Skeleton:
    """Look a built-in skeleton up, or read one from a file.

    Args:
        name_or_file: A name; a TOML file with a table [skeleton], a recipe or not; or COCO's annotations, whose
            category with keypoints describes them.

    Raises:
        RecipeError: There is none of this name, or the table is not valid.
    """
    if str(name_or_file) in SKELETONS:
        return SKELETONS[str(name_or_file)]
    path = Path(name_or_file)
    if not path.is_file():
        raise RecipeError(
            f"skeleton {name_or_file}: neither a file nor built in; {suggest(str(name_or_file), SKELETONS)}"
        )
    if path.suffix.lower() == ".json":
        return _read_annotations(path)
    try:
        tables = read_toml(path)
    except SettingsError as error:
        raise RecipeError(str(error)) from error
    table = tables.get(TABLE)
    if not isinstance(table, dict):
        raise RecipeError(f"{path}: no table [{TABLE}] in it; give it name, names, limbs and sigmas")
    try:
        return decode_fields(table, f"{path}: {TABLE}")
    except ValueError as error:
        raise RecipeError(str(error)) from error


def _read_annotations(path: Path) -> Skeleton:
    """The skeleton of the only category with keypoints of COCO's annotations."""
    content = read_json(path)
    categories = content.get("categories") if isinstance(content, dict) else None
    posed = [
        (i, entry)
        for i, entry in enumerate(categories if isinstance(categories, list) else [])
        if isinstance(entry, dict) and entry.get("keypoints")
    ]
    if len(posed) != 1:
        raise RecipeError(f"{path}: categories: {len(posed)} with keypoints; expected one, as in COCO's files")
    (place, category), *_ = posed
    for skeleton in SKELETONS.values():
        if category["keypoints"] == list(skeleton.names):
            return skeleton
    try:
        return read_category(category, f"{path}: categories[{place}]")
    except ValueError as error:
        raise RecipeError(str(error)) from error
