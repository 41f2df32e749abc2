"""How this process uses the machine while networks run on the CPU: memory and threads."""

from __future__ import annotations

import ctypes
import sys

import cv2
import torch

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_KEPT_BYTES = 1 << 30
_TORCH_THREADS = torch.get_num_threads()


def tune_process(*, torch_computes: bool = True) -> None:
    """Make room for the networks, for the whole process; call it before other threads start.

    OpenCV gets one thread: its images here are small, the stages of the pipeline run side by side anyway, and
    its pool would wait for work on the cores that the networks need.

    So does torch where another engine runs the networks and torch only decodes: its OpenMP threads wait for one
    another in every small operation, which takes twenty times as long while another thread keeps a core busy
    (measured: 83 ms instead of 4 ms to decode a batch of MoveNet's heads).

    Args:
        torch_computes: Whether torch runs the networks, and gets all its threads.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(_TORCH_THREADS if torch_computes else 1)
    keep_freed_memory()


def keep_freed_memory() -> bool:
    """Tell glibc to keep memory that is freed for the next who asks.

    By default every large block goes back to the system when it is freed and comes back as fresh pages, which
    the kernel clears one by one: with the tens of megabytes that a convolution network asks for in each layer,
    that takes longer than the arithmetic. All threads share one heap then.

    Returns:
        Whether it was done; there is nothing to do where the C library is another one.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_THRESHOLD, _KEPT_BYTES), (_M_TRIM_THRESHOLD, _KEPT_BYTES), (_M_ARENA_MAX, 1))
    done = [mallopt(name, value) == 1 for name, value in settings]
    return all(done)
