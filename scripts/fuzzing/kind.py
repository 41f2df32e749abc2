"""Kind: one kind of input, and how what its reading does is judged right or a finding."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fuzzing.mutations import Mutation
from posetrack.cli.main import main

_LONGEST_LINE = 1000


class FindingError(Exception):
    """What was read was neither right nor refused in one line."""


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes:
        name: Its name.
        make: Writes healthy files into a folder and returns those that are to be damaged.
        mutations: How they are damaged.
        read: Reads a damaged file, which lies beside the healthy ones, and writes into a folder; it raises
            `FindingError`, or lets an exception pass that is not one of ours.
    """

    name: str
    make: Callable[[Path], list[Path]]
    mutations: tuple[Mutation, ...]
    read: Callable[[Path, Path, Random], None]


def run_command(*arguments: object) -> None:
    """Run a `posetrack` command in this process: it succeeds, or fails with one line.

    Raises:
        FindingError: The exit code is another than 0, 1 or 2, or what was printed is no message.
    """
    said = io.StringIO()
    before = sys.argv
    sys.argv = ["posetrack", *map(str, arguments)]
    code: object = 0
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(said):
            main()
    except SystemExit as left:
        code = left.code or 0
    finally:
        sys.argv = before
    lines = said.getvalue().splitlines()
    if code not in (0, 1, 2) or "Traceback" in said.getvalue():
        raise FindingError(f"exit code {code}: {said.getvalue()}")
    if code == 1 and not (lines and lines[-1].startswith("posetrack: ") and len(lines[-1]) <= _LONGEST_LINE):
        raise FindingError(f"exit code 1 without a line that says why: {said.getvalue()[:2000]!r}")


def check_line(error: Exception) -> None:
    """Check that the message of an expected error is one line.

    Raises:
        FindingError: It is empty, too long, or several lines.
    """
    text = str(error)
    if not text.strip() or "\n" in text or len(text) > _LONGEST_LINE:
        raise FindingError(f"{type(error).__name__} without a line that says why: {text[:2000]!r}") from error
