"""The interruption of this process by Ctrl-C or SIGTERM, as the command line handles it.

It reaches the main thread as a KeyboardInterrupt, at any point, once. Two things are added here: files that are
being finished are finished first (`finishing`), and a loop that waits notices an interruption whose
KeyboardInterrupt was lost, as Python loses those that arrive in a destructor (`raise_if_interrupted`). In a
program that handles its signals itself, nothing here has an effect.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_interrupted = threading.Event()
_finishing_threads: list[int] = []


def interrupt() -> None:
    """Interrupt the main thread, once; to be called by a signal handler, which runs there.

    Raises:
        KeyboardInterrupt: Unless the main thread is finishing files; then it is raised when they are finished.
    """
    if _interrupted.is_set():
        return
    _interrupted.set()
    if threading.get_ident() not in _finishing_threads:
        raise KeyboardInterrupt


def is_finishing() -> bool:
    """Whether files are being finished, on any thread."""
    return bool(_finishing_threads)


def raise_if_interrupted() -> None:
    """Raise the KeyboardInterrupt of an interruption that has not ended what the main thread waits for.

    Raises:
        KeyboardInterrupt: The process was interrupted.
    """
    if _interrupted.is_set() and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


@contextmanager
def finishing() -> Iterator[None]:
    """A block that an interruption does not break, and to which it allows more time: files are closed in it.

    Raises:
        KeyboardInterrupt: The process was interrupted meanwhile.
    """
    was_interrupted, thread = _interrupted.is_set(), threading.get_ident()
    _finishing_threads.append(thread)
    try:
        yield
    finally:
        _finishing_threads.remove(thread)
    if not was_interrupted and thread not in _finishing_threads:
        raise_if_interrupted()
