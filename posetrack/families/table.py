"""The lazily imported table of all families, and look-ups across them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from models.settings import SettingsError, suggest
from posetrack.errors import RecipeError
from posetrack.families.family import Family, Importable, Role, Training

FAMILIES: dict[str, str] = {
    "movenet": "posetrack.families.movenet",
    "hrnet": "posetrack.families.hrnet",
    "swahr": "posetrack.families.swahr",
    "rcnn": "posetrack.families.rcnn",
    "densepose": "posetrack.families.densepose",
    "densepose/crops": "posetrack.families.dense_crops",
    "raft": "posetrack.families.raft",
}
"""The modules of the families' records, by the names of their folders in `models/`."""


def load_families() -> Iterator[Family]:
    """Yield the records of all families, importing each when it is reached."""
    for module in FAMILIES.values():
        family: Family = import_module(module).FAMILY
        yield family


def find_role(network: str, table: str, where: str) -> Role:
    """Find the role of a network in a table of a recipe.

    Args:
        network: Name of the network.
        table: `detector`, `estimator` or `dense`.
        where: Name of the setting in messages, such as `mine.toml: detector.network`.

    Raises:
        RecipeError: There is no such network, or it has another role.
    """
    known: list[str] = []
    for family in load_families():
        own = family.roles.get(table)
        if own is not None and network in own.networks:
            return own
        for name, role in family.roles.items():
            if network in role.networks:
                raise RecipeError(f"{where}: {network} belongs into [{name}]; name it there, and another here")
        known += own.networks if own is not None else []
    raise RecipeError(f"{where}: unknown network '{network}'; {suggest(network, known)}")


def find_training(network: str, where: str) -> Training:
    """Find the training of a network.

    Args:
        network: Name of the network.
        where: Name of the setting in messages, such as `mine.toml: network.name`.

    Raises:
        SettingsError: There is no training of this network.
    """
    known: list[str] = []
    for family in load_families():
        for training in family.trainings:
            if network in training.networks:
                return training
            known += training.networks
    raise SettingsError(f"{where}: unknown '{network}'; {suggest(network, known)}")


def list_embedded() -> dict[str, str]:
    """List the weights that ship with PoseTrack, with their SHA-256."""
    return {name: sha256 for family in load_families() for name, sha256 in family.embedded.items()}


def list_importable() -> dict[str, Importable]:
    """List the kinds of published checkpoints that can be imported."""
    return {name: kind for family in load_families() for name, kind in family.importable.items()}
