"""Python's garbage collector, off where all that is made is there to stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_frozen: list[bool] = []
"""Whether what the process loaded first is kept from the collector."""


@contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """Pause garbage collection: large files make a million objects, and scanning them takes long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def without_garbage() -> Iterator[None]:
    """Make the context in which a process of our own loads libraries and networks: without garbage collection.

    What is loaded is there to stay, yet the collector would look through all of it again and again. The objects
    of the first time, torch's above all, are kept from it afterwards too (`gc.freeze`): they would make each
    of its pauses longer. That is for the process of a command, whose garbage before it is known to be little.
    """
    is_first = gc.isenabled() and not _frozen
    with paused_garbage_collection():
        try:
            yield
        finally:
            if is_first:
                _frozen.append(True)
                gc.freeze()
