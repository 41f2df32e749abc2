"""What the libraries of engines raise, as `EngineError` of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from models.engines.engine import EngineError
from models.out_of_memory import LESS_MEMORY, is_out_of_memory


@contextmanager
def explain_failures(engine: str, name: str) -> Iterator[None]:
    """Make the context in which an engine is made or runs.

    Args:
        engine: Name of the engine.
        name: Name of the network in messages.

    Raises:
        EngineError: Memory is too small; or the engine is not torch, whose errors are ours, and its library
            cannot compile or run the network.
    """
    try:
        yield
    except EngineError:
        raise
    except Exception as error:  # Compilers and runtimes of other people may raise anything.
        if is_out_of_memory(error):
            raise EngineError(f"{name}: the memory is too small to run it; {LESS_MEMORY}") from error
        if engine == "torch":
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise EngineError(f"{engine}: cannot run {name}: {lines[0]}; use --engine torch") from error
