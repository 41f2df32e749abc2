"""Latency and frame rate of a live session over the last seconds."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np

_WINDOW_S = 5.0


@dataclass(frozen=True)
class LiveStats:
    """Rate and latency over the last 5 seconds.

    Attributes:
        fps: Images a second.
        latency_p50_ms: Median time from the capture of an image to its output.
        latency_p95_ms: 95th percentile of the same.
    """

    fps: float = 0.0
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0


class LiveMeter:
    """Measures rate and latency from the output times of images."""

    def __init__(self) -> None:
        self._images: deque[tuple[float, float]] = deque()

    def add(self, latency_s: float, *, now_s: float | None = None) -> LiveStats:
        """Count an image that is output now.

        Args:
            latency_s: Time since its capture.
            now_s: The current time on the monotonic clock.

        Returns:
            The measures including this image.
        """
        now_s = time.monotonic() if now_s is None else now_s
        self._images.append((now_s, latency_s))
        while now_s - self._images[0][0] > _WINDOW_S:
            self._images.popleft()
        span_s = now_s - self._images[0][0]
        p50, p95 = np.percentile([latency for _, latency in self._images], (50, 95))
        return LiveStats(
            fps=(len(self._images) - 1) / span_s if span_s > 0 else 0.0,
            latency_p50_ms=1000 * float(p50),
            latency_p95_ms=1000 * float(p95),
        )
