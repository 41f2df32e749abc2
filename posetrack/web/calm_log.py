"""A log that nobody on the network can fill: each kind of line at most once a minute, without tracebacks."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident

_EVERY_S = 60.0
_MOST_KINDS = 100
_MOST_CHARACTERS = 300


@dataclass
class _Kind:
    """When a kind of line was last let through, and how many were left out since."""

    said_s: float
    num_left_out: int = 0


class CalmFilter(logging.Filter):
    """Lets each kind of line through once a minute, as one line that counts those that were left out.

    A kind is a message before its arguments are inserted, so that a stranger cannot make new ones. Records of
    other threads than the one that makes the filter pass as they are.

    Args:
        every_s: Seconds between two lines of a kind.
    """

    def __init__(self, every_s: float = _EVERY_S) -> None:
        super().__init__()
        self._every_s = every_s
        self._thread = get_ident()
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes; it is made one line."""
        if record.thread != self._thread:
            return True
        key = (record.name, str(record.msg))
        now_s = time.monotonic()
        kind = self._kinds.get(key)
        if kind is not None and now_s - kind.said_s < self._every_s:
            kind.num_left_out += 1
            return False
        num_left_out = 0 if kind is None else kind.num_left_out
        if kind is None and len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        self._kinds[key] = _Kind(now_s)
        _make_one_line(record, num_left_out)
        return True


@contextmanager
def calm(*names: str) -> Iterator[None]:
    """Calm loggers for as long as the context lasts.

    Args:
        names: Names of the loggers.
    """
    added = CalmFilter()
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(added)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(added)


def _make_one_line(record: logging.LogRecord, num_left_out: int) -> None:
    text = " ".join(record.getMessage().split())[:_MOST_CHARACTERS]
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        text += f": {type(error).__name__}: {' '.join(str(error).split())[:_MOST_CHARACTERS]}"
    if num_left_out:
        text += f" ({num_left_out} more since)"
    record.msg, record.args, record.exc_info, record.exc_text = text, None, None, None
