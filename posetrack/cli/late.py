"""Commands whose modules are imported when they are called, so that `posetrack --help` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command, get_group

from posetrack.cli.help import HelpCommand, HelpGroup
from posetrack.cli.make_command import make_command

Panels = Mapping[str, Mapping[str, tuple[str, str]]]
"""By the panels of the help, and by name: where a command is, as `module:name`, and what it does."""


class LateCommand(TyperCommand):
    """A command, or a group of them, that is known by its name and summary until it is called.

    Args:
        name: Name.
        place: A function, for `make_command`, or an application of Typer, as `module:name`.
        summary: What it does, as lists of commands say it: the first paragraph of its own help.
        panel: Panel of the list of commands.
    """

    def __init__(self, name: str, place: str, summary: str, panel: str | None) -> None:
        super().__init__(name, help=summary, rich_help_panel=panel)
        self._place = place

    @cached_property
    def imported(self) -> Any:
        """The command or group itself."""
        module, _, name = self._place.partition(":")
        found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            return get_command(found) if len(found.registered_commands) == 1 else get_group(found)
        alone = typer.Typer(add_completion=False)
        alone.command(self.name, cls=HelpCommand)(make_command(found))
        return get_command(alone)

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Parse arguments: this is where a call begins, and a shell's completion."""
        return self.imported.make_context(*args, **settings)


def make_late_group(panels: Panels) -> type[HelpGroup]:
    """Make a class of groups with commands that are imported when they are called.

    Args:
        panels: The commands; the empty name is the panel of those without one.
    """

    class LateGroup(HelpGroup):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            for panel, commands in panels.items():
                for name, (place, summary) in commands.items():
                    self.add_command(LateCommand(name, place, summary, panel or None))

    return LateGroup
