"""What viewers can change while a live session runs, from any thread."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Condition

from models.settings import suggest
from posetrack.errors import PoseTrackError
from posetrack.render import RenderStyle


@dataclass(frozen=True)
class LiveSettings:
    """What is wanted now.

    Attributes:
        recipe: Name or file of the recipe.
        style: What is drawn.
        is_paused: The last image stays.
        is_recording: Images go to a file.
    """

    recipe: str
    style: RenderStyle = field(default_factory=RenderStyle)
    is_paused: bool = False
    is_recording: bool = False


TOGGLES = ("skeletons", "masks", "boxes", "ids", "trails", "pause", "record")
"""What can be switched on and off."""


class LiveControls:
    """The settings of a session; reading and changing them is safe from any thread.

    Args:
        settings: To begin with.
        recipes: Names that `choose_recipe` and `next_recipe` offer.
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
            The settings after it.

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
            PoseTrackError: It is none of those that the session offers.
        """
        if name not in self.recipes:
            raise PoseTrackError(f"no recipe '{name}' here; {suggest(name, self.recipes)}")
        with self._changed:
            self._settings = replace(self._settings, recipe=name)
            self._changed.notify_all()
            return self._settings

    def next_recipe(self) -> LiveSettings:
        """Change to the recipe after this one."""
        position = self.recipes.index(self.settings.recipe) if self.settings.recipe in self.recipes else -1
        return self.choose_recipe(self.recipes[(position + 1) % len(self.recipes)])

    def wait_while_paused(self, timeout_s: float) -> bool:
        """Wait until nothing is paused; whether it still is when the time is over."""
        with self._changed:
            return not self._changed.wait_for(lambda: not self._settings.is_paused, timeout_s)


def _switch(settings: LiveSettings, name: str) -> LiveSettings:
    if name == "pause":
        return replace(settings, is_paused=not settings.is_paused)
    if name == "record":
        return replace(settings, is_recording=not settings.is_recording)
    style = settings.style
    flags = {name: not getattr(style, name)}
    return replace(settings, style=replace(style, **flags))
