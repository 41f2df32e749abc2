"""Where the `posetrack` command starts: light, so that Ctrl-C is heard while the rest is still loading."""

from __future__ import annotations

import signal
import sys
from types import FrameType

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; what stops it leaves as one line and an exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt_once)
    try:
        from posetrack.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("posetrack: interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except OSError as error:
        print(f"posetrack: {error}", file=sys.stderr)
        sys.exit(1)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """Take the first Ctrl-C, or being told to stop, and let nothing disturb the closing of files after it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
