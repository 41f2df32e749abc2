"""Settings of a live session that viewers change while it runs, from any thread."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Condition
from typing import Any

from models.settings import suggest
from posetrack.errors import PoseTrackError
from posetrack.render import RenderStyle


@dataclass(frozen=True)
class LiveSettings:
    """The current settings of a live session.

    Attributes:
        recipe: Name or file of the recipe.
        style: What is drawn.
        is_paused: Whether the last image is kept on display.
        is_recording: Whether images are recorded to a file.
    """

    recipe: str
    style: RenderStyle = field(default_factory=RenderStyle)
    is_paused: bool = False
    is_recording: bool = False


TOGGLES = ("skeletons", "masks", "boxes", "ids", "trails", "iuv", "pause", "record")
"""The settings that can be switched on and off."""


class LiveControls:
    """The settings of a session; reading and changing them is safe from any thread.

    Args:
        settings: The initial settings.
        recipes: Names that `choose_recipe` accepts and `next_recipe` goes through.
    """

    def __init__(self, settings: LiveSettings, recipes: tuple[str, ...] = ()) -> None:
        self._settings = settings
        self._changed = Condition()
        self.recipes = recipes or (settings.recipe,)

    @property
    def settings(self) -> LiveSettings:
        """What is wanted now."""
        with self._changed:
            return self._settings

    def toggle(self, name: str) -> LiveSettings:
        """Switch one of `TOGGLES`.

        Returns:
            The new settings.

        Raises:
            PoseTrackError: There is no such switch.
        """
        if name not in TOGGLES:
            raise PoseTrackError(f"no switch '{name}'; {suggest(name, TOGGLES)}")
        with self._changed:
            self._settings = _switch(self._settings, name)
            self._changed.notify_all()
            return self._settings

    def stop_recording(self) -> None:
        """Switch recording off, if it is on."""
        with self._changed:
            self._settings = replace(self._settings, is_recording=False)
            self._changed.notify_all()

    def choose_recipe(self, name: str) -> LiveSettings:
        """Change the recipe.

        Raises:
            PoseTrackError: The session does not offer this recipe.
        """
        if name not in self.recipes:
            raise PoseTrackError(f"no recipe '{name}' here; {suggest(name, self.recipes)}")
        with self._changed:
            self._settings = replace(self._settings, recipe=name)
            self._changed.notify_all()
            return self._settings

    def next_recipe(self) -> LiveSettings:
        """Change to the next recipe."""
        position = self.recipes.index(self.settings.recipe) if self.settings.recipe in self.recipes else -1
        return self.choose_recipe(self.recipes[(position + 1) % len(self.recipes)])

    def wait_while_paused(self, timeout_s: float) -> bool:
        """Wait until the session is not paused; returns whether it still is at the timeout."""
        with self._changed:
            return not self._changed.wait_for(lambda: not self._settings.is_paused, timeout_s)


def _switch(settings: LiveSettings, name: str) -> LiveSettings:
    if name == "pause":
        return replace(settings, is_paused=not settings.is_paused)
    if name == "record":
        return replace(settings, is_recording=not settings.is_recording)
    style = settings.style
    flags: dict[str, Any] = {name: not getattr(style, name)}
    return replace(settings, style=replace(style, **flags))
