"""Ctrl-C and SIGTERM: the first one ends the command within seconds, the second one at once.

Python handles a signal on the main thread when that returns from C, which may be never: inside FFmpeg, in a
read from a dead network drive, in a network's call of many seconds. So a thread watches the signals as well,
and ends the process where the main thread does not.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from posetrack.interruption import interrupt, is_finishing

INTERRUPTED = 130
"""Exit code of an interrupted command."""

MESSAGE = "posetrack: interrupted"
_FINISHING_MESSAGE = "posetrack: finishing the files; another Ctrl-C leaves at once"

_THREAD_NAME = "posetrack-signals"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LIMIT_S = 2.5
_FINISHING_LIMIT_S = 30.0
_LEAVING_LIMIT_S = 1.0
# `timeout` and some shells send a signal to the process and to its group: that is one signal.
_ONE_SIGNAL_S = 0.25
_POLL_S = 0.05


def handle_signals() -> None:
    """Handle the signals of this process, and watch over it from a thread; called once, by the main thread."""
    reading, writing = os.pipe()
    if os.name == "posix":
        os.set_blocking(writing, False)
        os.register_at_fork(after_in_child=_stop_handling)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _handle)
    threading.Thread(target=_watch, args=(reading,), name=_THREAD_NAME, daemon=True).start()


def leave_at_once(code: int) -> NoReturn:
    """Exit without unloading torch and the engines, which takes a second; all files are closed by now."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def has_threads_left() -> bool:
    """Whether threads still run beside this one, apart from those that watch the signals."""
    return any(
        thread is not threading.current_thread() and thread.name != _THREAD_NAME
        for thread in threading.enumerate()
    )


def _handle(number: int, frame: FrameType | None) -> None:
    interrupt()


def _watch(reading: int) -> None:
    first_s: float | None = None
    while True:
        for number in os.read(reading, 64):
            if number not in _SIGNALS:
                continue
            if first_s is None:
                first_s = time.monotonic()
                threading.Thread(target=_enforce, name=_THREAD_NAME, daemon=True).start()
            elif time.monotonic() - first_s > _ONE_SIGNAL_S:
                _abandon()


def _enforce() -> None:
    """End the process some time after the first signal, if it still runs."""
    time.sleep(_LIMIT_S)
    if is_finishing():
        _say(_FINISHING_MESSAGE)
        limit_s = time.monotonic() + _FINISHING_LIMIT_S
        while is_finishing() and time.monotonic() < limit_s:
            time.sleep(_POLL_S)
        time.sleep(_LEAVING_LIMIT_S)
    _abandon()


def _abandon() -> NoReturn:
    _say(MESSAGE)
    os._exit(INTERRUPTED)


def _say(message: str) -> None:
    """Write a line to the standard error, unless its reader is blocked."""
    with suppress(OSError, ValueError):
        descriptor = 2
        if os.name != "posix" or select.select([], [descriptor], [], 0)[1]:
            os.write(descriptor, f"{message}\n".encode())


def _stop_handling() -> None:
    """Leave signals to their defaults in a forked child, whose signals are not those of its parent."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
