"""The skeletons that training recipes name."""

from __future__ import annotations

from models.settings import SettingsError, suggest
from posetrack.skeleton import SKELETONS, Skeleton


def find_skeleton(name: str) -> Skeleton:
    """The skeleton that a recipe's `data.skeleton` names.

    Raises:
        SettingsError: There is none of this name.
    """
    if name not in SKELETONS:
        raise SettingsError(f"data.skeleton: unknown '{name}'; {suggest(name, SKELETONS)}")
    return SKELETONS[name]
