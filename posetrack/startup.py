"""Loading of libraries and networks without a search for garbage among what is loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_frozen: list[bool] = []
"""Whether what the process loaded first is kept from the collector."""


@contextmanager
def without_garbage() -> Iterator[None]:
    """Make the context in which a process of our own loads libraries and networks: without garbage collection.

    What is loaded is there to stay, yet the collector would look through all of it again and again. The objects
    of the first time, torch's above all, are kept from it afterwards too (`gc.freeze`): they would make each
    of its pauses longer. That is for the process of a command, whose garbage before it is known to be little.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not _frozen:
            _frozen.append(True)
            gc.freeze()
        gc.enable()
