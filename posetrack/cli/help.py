"""The help of commands: options in groups, flags without a type, and examples at the end."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from posetrack.cli.examples import EXAMPLES

SETTINGS = {"help_option_names": ["-h", "--help"]}
"""Context settings of the application; its commands inherit them."""


SHORT = {"--out": "-o", "--recipe": "-r", "--weights": "-w", "--format": "-f", "--quiet": "-q"}
"""Short names of options, the same in every command."""


class HelpCommand(TyperCommand):
    """A command whose options have the usual short names, and whose help ends with its examples."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for param in self.params:
            param.opts += [short for name, short in SHORT.items() if name in param.opts]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; of an option that others have, say which."""
        known = _list_options(self)
        for arg in takewhile(lambda arg: arg != "--", args):
            name = arg.partition("=")[0]
            others = [] if not name.startswith("--") or name in known else _find_commands_with(ctx, name)
            if others:
                have = "has" if len(others) == 1 else "have"
                ctx.fail(f"No such option: {name}; posetrack {', '.join(others)} {have} it")
        return list(super().parse_args(ctx, args))

    def get_params(self, ctx: Any) -> list[Any]:
        """List the parameters; flags are shown as such, not as options that take a value."""
        return _show_flags(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, then the examples."""
        super().format_help(ctx, formatter)
        _write_examples(ctx, formatter)


class HelpGroup(TyperGroup):
    """A group of commands whose help ends with its examples."""

    def get_params(self, ctx: Any) -> list[Any]:
        """List the parameters; flags are shown as such, not as options that take a value."""
        return _show_flags(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, then the examples."""
        super().format_help(ctx, formatter)
        _write_examples(ctx, formatter)


def _list_options(command: Any) -> set[str]:
    command = getattr(command, "imported", command)
    names = (name for param in command.params for name in (*param.opts, *param.secondary_opts))
    return {"--help", *names}


def _find_commands_with(ctx: Any, option: str) -> list[str]:
    """The other commands of the same group that have an option."""
    others = getattr(getattr(ctx.parent, "command", None), "commands", {})
    return [name for name, command in others.items() if option in _list_options(command) and option != "--help"]


def _show_flags(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    return params


def _write_examples(ctx: Any, formatter: Any) -> None:
    name = _name_command(ctx)
    if name not in EXAMPLES:
        return
    width = max(len(line) for line, _ in EXAMPLES[name])
    lines = [f"  {line:<{width}}  # {comment}" for line, comment in EXAMPLES[name]]
    if formatter.getvalue():  # Typer writes there only where it does not print with rich.
        formatter.write("\n".join(["", "Examples:", *lines, ""]))
        return
    console = Console(highlight=False)
    console.print(" Examples:", style="bold")
    for line in lines:
        command, _, comment = line.partition("  # ")
        console.print(Text(command) + Text(f"  # {comment}", style="dim"), soft_wrap=True)
    console.print()


def _name_command(ctx: Any) -> str:
    """The words of a command behind the name of the program; empty for the program itself."""
    words: list[str] = []
    while ctx.parent is not None:
        words.insert(0, ctx.info_name)
        ctx = ctx.parent
    return " ".join(words)
