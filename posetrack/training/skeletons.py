"""Look-up of the skeletons in training recipes."""

from __future__ import annotations

from models.settings import SettingsError, suggest
from posetrack.skeleton import SKELETONS, Skeleton


def find_skeleton(name: str) -> Skeleton:
    """Find the skeleton of a recipe's `data.skeleton`.

    Raises:
        SettingsError: There is none of this name.
    """
    if name not in SKELETONS:
        raise SettingsError(f"data.skeleton: unknown '{name}'; {suggest(name, SKELETONS)}")
    return SKELETONS[name]
