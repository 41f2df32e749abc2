"""Entry point of the `posetrack` command, with few imports so that Ctrl-C works while the rest is loading."""

from __future__ import annotations

import atexit
import errno
import os
import sys
import traceback
from pathlib import Path

from posetrack.cli.signals import INTERRUPTED, MESSAGE, handle_signals, has_threads_left, leave_at_once

_INTERNAL_ERROR = 70
_ENGINES = ("torch", "openvino", "onnxruntime")
_TRACEBACK_VARIABLE = "POSETRACK_TRACEBACK"


def main() -> None:
    """Run the command line; whatever ends it, ends it with one line and an exit code.

    The traceback of an error that no command expects is printed if `POSETRACK_TRACEBACK` is set.
    """
    code = 1

    def leave() -> None:
        # A thread that a failed run has left behind in a network would abort the process where Python ends it.
        # So do, now and then, threads of the engines' own where these are unloaded.
        if has_threads_left() or any(engine in sys.modules for engine in _ENGINES):
            leave_at_once(code)

    atexit.register(leave)  # The first one is called last.
    try:
        handle_signals()
        from posetrack.cli.main import main as run

        run()
        code = 0
    except KeyboardInterrupt:
        _leave_interrupted()
    except SystemExit as leaving:  # Typer converts Ctrl-C to this.
        if leaving.code == INTERRUPTED:
            _leave_interrupted()
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        raise
    except Exception as error:
        if os.environ.get(_TRACEBACK_VARIABLE):
            raise
        code = _report(error)
        sys.exit(code)


def _report(error: Exception) -> int:
    """Print an error that no command expects as one line; returns the exit code."""
    from models.out_of_memory import LESS_MEMORY, is_out_of_memory
    from posetrack.cli.messages import print_error

    if is_out_of_memory(error):
        print_error(f"the memory of this machine is too small for this; {LESS_MEMORY}")
        return 1
    if isinstance(error, OSError):
        is_long = error.errno == errno.ENAMETOOLONG
        print_error(f"{error.filename}: this system has no such long names; use another" if is_long else error)
        return 1
    place = traceback.extract_tb(error.__traceback__)[-1]
    print_error(
        f"an error of PoseTrack itself: {type(error).__name__}: {error} ({Path(place.filename).name}, line "
        f"{place.lineno}); please report it, with what the same command prints under {_TRACEBACK_VARIABLE}=1"
    )
    return _INTERNAL_ERROR


def _leave_interrupted() -> None:
    print(MESSAGE, file=sys.stderr)
    leave_at_once(INTERRUPTED)


if __name__ == "__main__":
    main()
