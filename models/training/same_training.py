"""Whether a checkpoint is of the same training: the same recipe and the same data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from models.training.errors import TrainingError


def check_same_training(state: Mapping[str, Any], recipe_text: str, num_samples: int, data_digest: str) -> None:
    """Check that a checkpoint is of a training.

    Args:
        state: The checkpoint.
        recipe_text: The recipe of the training, TOML; comments and order do not matter.
        num_samples: Number of its samples.
        data_digest: Digest of its annotations; empty for no check.

    Raises:
        TrainingError: The checkpoint is of another; the message names the first difference.
    """
    before = state.get("recipe")
    if before != recipe_text:
        difference = _find_difference(str(before), recipe_text)
        if difference:
            raise TrainingError(
                f"the checkpoint was made with another recipe: {difference}; give that one (recipe.toml beside "
                "it), or another --out"
            )
    if state.get("num_samples") != num_samples:
        raise TrainingError(
            f"the checkpoint was made with {state.get('num_samples')} samples, but there are {num_samples}; "
            "restore the data, or start again with another --out"
        )
    known = state.get("data_digest")
    if known and data_digest and known != data_digest:
        raise TrainingError(
            "the checkpoint was made with other annotations of as many samples; restore the data, or start "
            "again with another --out"
        )


def _find_difference(before: str, now: str) -> str:
    """The first setting that differs between two recipes; empty where none does."""
    try:
        old, new = (dict(_list_settings(tomllib.loads(text))) for text in (before, now))
    except (tomllib.TOMLDecodeError, RecursionError):
        return "its text differs"
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            was, is_now = ("not set" if name not in table else repr(table[name]) for table in (old, new))
            return f"{name} was {was}, now {is_now}"
    return ""


def _list_settings(table: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _list_settings(value, f"{where}{key}.")
        else:
            yield f"{where}{key}", value
