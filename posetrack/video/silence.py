"""The time-out of a source: how long it may give no data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

from posetrack.errors import SilentSourceError, VideoError
from posetrack.pipeline import prefetch

NETWORK_TIMEOUT_S = 20.0
"""The default for network addresses."""

_YEAR_S = 365 * 24 * 3600.0

T = TypeVar("T")


class Silence:
    """Measures how long a source has given no data.

    A read from a pipe, a dead network drive or a silent server cannot be broken off. So a thread of its own
    reads, which calls `end` with all data that come, while another waits and calls `check`.

    Args:
        name: Name of the source for messages.
        timeout_s: Longest silence in seconds; None for any.

    Raises:
        VideoError: It is not above 0.
    """

    def __init__(self, name: str, timeout_s: float | None) -> None:
        if timeout_s is not None and not 0 < timeout_s < math.inf:
            raise VideoError(f"time-out {timeout_s:g} s: give seconds above 0, or leave it out to wait")
        self.name = name
        self.timeout_s = timeout_s
        self._ended_s = time.monotonic()

    @property
    def limit_s(self) -> float:
        """The time-out as a number for FFmpeg: a year for none."""
        return _YEAR_S if self.timeout_s is None else self.timeout_s

    @property
    def left_s(self) -> float | None:
        """The time until the silence is too long; None for any."""
        if self.timeout_s is None:
            return None
        return max(0.0, self.timeout_s - (time.monotonic() - self._ended_s))

    def end(self) -> None:
        """Note that data have come."""
        self._ended_s = time.monotonic()

    def check(self, waited_s: float = math.inf) -> None:
        """Check the silence while waiting.

        Args:
            waited_s: The time spent waiting: while nobody waits, the thread that reads does not read on.

        Raises:
            SilentSourceError: It has become too long.
        """
        silent_s = min(waited_s, time.monotonic() - self._ended_s)
        if self.timeout_s is not None and silent_s >= self.timeout_s:
            raise self.make_error()

    def make_error(self) -> SilentSourceError:
        """The error for a silence that is too long."""
        limit = "" if self.timeout_s is None else f" for {self.timeout_s:g} s"
        return SilentSourceError(
            f"{self.name}: no data{limit}; check that it is there and sending, or allow more with --timeout"
        )


def wait_for(make: Callable[[], T], silence: Silence, discard: Callable[[T], None]) -> T:
    """Make something on another thread, so that the waiting for it can be broken off.

    Args:
        make: Makes it, from a source that may be silent.
        silence: The time-out of the source.
        discard: Called with what is made too late.

    Raises:
        SilentSourceError: The source is silent for too long.
        BaseException: The exception of `make`.
    """

    def make_once() -> Generator[T]:
        made = make()
        try:
            yield made
        except GeneratorExit:
            discard(made)

    with closing(prefetch(make_once(), 1, while_waiting=silence.check)) as results:
        return next(results)
