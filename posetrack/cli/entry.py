"""Entry point of the `posetrack` command, with few imports so that Ctrl-C works while the rest is loading."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; interruptions and system errors end it with one line and an exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt_once)
    try:
        from posetrack.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("posetrack: interrupted", file=sys.stderr)
        _leave_at_once(_INTERRUPTED)
    except SystemExit as leaving:  # Typer converts Ctrl-C to this.
        if leaving.code == _INTERRUPTED:
            _leave_at_once(_INTERRUPTED)
        raise
    except OSError as error:
        print(f"posetrack: {error}", file=sys.stderr)
        sys.exit(1)


def _leave_at_once(code: int) -> NoReturn:
    """Exit without unloading torch and the engines, which takes a second; all files are closed by now."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt on the first SIGINT or SIGTERM, and ignore later ones while files are closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
