"""Allocator settings for training on CPUs."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's `mallopt` (malloc.h).
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Make this process keep freed memory for later tensors.

    By default glibc returns large blocks to the system at once, and the pages of the next tensor are allocated
    and cleared again, which takes half the time of a training step with large maps.

    Returns:
        Whether it was set, which is possible with glibc only.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
