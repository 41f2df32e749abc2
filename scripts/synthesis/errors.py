"""The error of making images, and how a command that makes them ends with it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from posetrack.errors import PoseTrackError


class SynthesisError(PoseTrackError):
    """Images cannot be made: of the options, the bodies, the backgrounds or the output folder."""


def run_resumable(work: Callable[[], None]) -> None:
    """Do the work of a command that goes on where it was stopped, and say in one line what is wrong."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        work()
    except PoseTrackError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
