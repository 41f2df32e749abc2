"""Memory on CPUs: kept by the process from step to step instead of given back to the system."""

from __future__ import annotations

import ctypes
import sys

# glibc's numbers of what `mallopt` sets (malloc.h).
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let this process keep the memory that tensors free, for the tensors to come.

    By default glibc gives large blocks back to the system at once, and the next tensor's pages are made and
    cleared anew: half the time of a training step whose maps are large.

    Returns:
        Whether it could be set, which glibc alone allows.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
