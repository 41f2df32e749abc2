"""Messages on the terminal: errors and logs, each one line, whatever a file or a library has put into it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from posetrack.addresses import hide_in_text

if TYPE_CHECKING:
    from posetrack.recipe import Recipe

_TOLD = "posetrack.edits.read"
"""Its messages are no warnings, and are printed all the same: that poses are shown with edits."""

_LONGEST = 1000
"""Characters of a line; what is longer comes from a damaged file."""


def print_error(message: object) -> None:
    """Print an error, or another message for the user, as one line."""
    print(to_line(f"posetrack: {message}"), file=sys.stderr)


def tell_loading(recipe: Recipe) -> None:
    """Say which networks are about to be loaded, for which one waits some seconds."""
    names = dict.fromkeys(Path(each.weights).name or each.network for each in recipe.networks.values())
    print_error(f"recipe {recipe.name}: loading {', '.join(names)}")


def start_logging(level: int) -> None:
    """Print log records of a level and above, each as one line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("posetrack: %(message)s"))
    handler.addFilter(_Once())
    logging.basicConfig(level=level, handlers=[handler])
    if level <= logging.WARNING:
        logging.getLogger(_TOLD).setLevel(logging.INFO)


def to_line(text: str) -> str:
    """Make one line of a text: line breaks become spaces, a very long text loses its middle.

    Control characters, which could change the terminal, are written as escapes. Addresses, which libraries
    repeat, lose their secrets.
    """
    line = hide_in_text(" ".join(filter(None, map(str.strip, text.splitlines()))))
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    half = _LONGEST // 2
    return line if len(line) <= _LONGEST else f"{line[:half]} ... {line[-half:]}"


class _Once(logging.Filter):
    """Leaves out what has been told: poses are opened several times."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name != _TOLD:
            return True
        message = record.getMessage()
        is_new = message not in self._told
        self._told.add(message)
        return is_new


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return to_line(super().format(record))
