"""The processes that read samples."""

from __future__ import annotations

import cv2

WORKER_START = "spawn"
"""How they start. A forked copy of a process in which OpenCV has used its threads waits for these for ever."""


def start_worker(number: int) -> None:
    """Make a new worker use one thread: OpenCV's own would only fight over the cores with the other workers."""
    cv2.setNumThreads(1)
