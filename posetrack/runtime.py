"""Memory and thread settings of the process for networks on the CPU."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
from types import ModuleType

import cv2
import torch

from posetrack.errors import PoseTrackError

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_KEPT_BYTES = 1 << 30
_users: list[int] = []
"""The process that uses networks, which a forked one inherits."""
_TORCH_THREADS = torch.get_num_threads()


def use_networks() -> None:
    """Note that this process uses networks; to be called before it does.

    A child that is forked from it does not collect the garbage that it inherits: an engine that is destroyed
    there waits for threads that are not there.

    Raises:
        PoseTrackError: It was forked from a process that used them: the threads of torch and the engines were
            not copied, and would be waited for without end.
    """
    process_id = os.getpid()
    if not _users:
        _users.append(process_id)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=gc.freeze)
    if process_id not in _users:
        raise PoseTrackError(
            "this process was forked from one that has used networks, whose threads a fork does not copy; "
            "start it with multiprocessing.get_context('spawn'), or use networks in the children only"
        )


def tune_process(*, torch_computes: bool = True) -> None:
    """Set threads and memory for the whole process; to be called before other threads start.

    OpenCV gets one thread: images are small, the stages of the pipeline run in parallel anyway, and its idle
    pool would spin on the cores that the networks need.

    So does torch if another engine runs the networks and torch only decodes: its OpenMP threads synchronise in
    every small operation, which takes twenty times as long while another thread occupies a core (measured: 83
    ms instead of 4 ms to decode a batch of MoveNet's heads).

    Args:
        torch_computes: Whether torch runs the networks, and so keeps all its threads.
    """
    cv2.setNumThreads(1)
    torch.set_num_threads(_TORCH_THREADS if torch_computes else 1)
    keep_freed_memory()


def import_torchvision() -> None:
    """Import torchvision without torch's compiler, whose import takes as long as that of torch itself.

    torchvision imports it for one function that it calls on GPUs in deterministic mode; that call imports it
    then. A version of torchvision that wants more of it gets the compiler itself.
    """
    if "torchvision" in sys.modules or "torch._dynamo" in sys.modules:
        return
    compiler, utilities = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    compiler.__path__ = []
    vars(utilities).update(_OF_COMPILER)
    placed = {module.__name__: module for module in (compiler, utilities)}
    sys.modules.update(placed)
    try:
        importlib.import_module("torchvision")
    except (ImportError, AttributeError):
        # It wants more of the compiler; whoever imports it next gives it all.
        pass
    finally:
        for name in placed:
            sys.modules.pop(name, None)


def _is_compile_supported(device_type: str) -> bool:
    """Whether torch's compiler knows a type of device, as the compiler itself says."""
    return bool(importlib.import_module("torch._dynamo.utils").is_compile_supported(device_type))


_OF_COMPILER = {"is_compile_supported": _is_compile_supported}
"""What torchvision imports of `torch._dynamo.utils`."""


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for later allocations.

    By default every large block is returned to the system when freed and allocated again as new pages, which
    the kernel clears: with the tens of megabytes that each layer of a convolution network needs, this takes
    longer than the arithmetic. All threads share one heap then.

    Returns:
        Whether it was set; False with another C library.
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
