"""A Butterworth low-pass without lag: over a signal with time stamps, forwards and then backwards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

DoubleArray = npt.NDArray[np.float64]

ORDERS = (2, 4, 6, 8)
MOST_STEPS = 4.0
"""A step of more than so many usual ones ends a run of samples."""

_REGULAR = 0.1
"""Times are regular if none is farther from a regular grid than this part of a step."""
_FINEST = 0.25
"""The grid for irregular times is no finer than this part of the usual step."""


@dataclass(frozen=True)
class LowPass:
    """A Butterworth filter that is applied forwards and backwards, so that nothing is delayed.

    Two passes together let half of the power through where each lets the square root of a half; each is
    designed with a higher cut-off frequency, so that both together have the stated one (-3 dB). Source of the
    correction: Winter, Biomechanics and Motor Control of Human Movement, 4th edition, chapter 3; here for the
    digital filter, so that it is exact at every frame rate.

    Attributes:
        cutoff_hz: Frequency at which both passes together let half of the power through.
        order: Order of both passes together; each has half of it.

    Raises:
        ValueError: The frequency is not above 0, or there is no such order.
    """

    cutoff_hz: float = 6.0
    order: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.cutoff_hz <= 1e6:
            raise ValueError(f"cutoff_hz: expected a number above 0, got {self.cutoff_hz}")
        if self.order not in ORDERS:
            raise ValueError(f"order: expected {', '.join(map(str, ORDERS))}, got {self.order}")

    @property
    def least_samples(self) -> int:
        """The fewest samples that it can be applied to: one more than are mirrored at each end."""
        return 3 * (self.order // 2 + 1) + 1

    def can_filter(self, rate_hz: float) -> bool:
        """Whether its frequency is below half of a sampling rate."""
        # A hair less, for the rounding of times in files.
        return self.cutoff_hz < rate_hz / 2 * (1 - 1e-5)

    def make_sections(self, rate_hz: float) -> npt.NDArray[Any]:
        """Second-order sections of one pass, (S, 6), for `scipy.signal.sosfiltfilt`.

        Args:
            rate_hz: Samples a second; its half is above the cut-off frequency.
        """
        from scipy.signal import butter

        passes = self.order // 2
        # |H|^2 = 1 / (1 + w^2n) of each pass is to be sqrt(1/2) at the cut-off, w in the analog domain.
        ratio = (math.sqrt(2) - 1) ** (1 / (2 * passes))
        design_hz = rate_hz / math.pi * math.atan(math.tan(math.pi * self.cutoff_hz / rate_hz) / ratio)
        sections: npt.NDArray[Any] = butter(passes, design_hz, fs=rate_hz, output="sos")
        return sections

    def filter(self, times_s: DoubleArray, values: DoubleArray) -> DoubleArray | None:
        """Filter one run of samples.

        Samples at irregular times are brought to regular ones by a cubic spline, filtered, and brought back to
        their own times.

        Args:
            times_s: (T,), rising.
            values: (T, C), finite.

        Returns:
            (T, C); None where there are too few samples, or too few a second for the cut-off frequency.
        """
        from scipy.interpolate import CubicSpline
        from scipy.signal import sosfiltfilt

        if len(times_s) < self.least_samples or not self.can_filter(measure_rate_hz(times_s)):
            return None
        if is_regular(times_s):
            sections = self.make_sections(measure_rate_hz(times_s))
            return np.asarray(sosfiltfilt(sections, values, axis=0))
        steps_s = np.diff(times_s)
        step_s = max(float(np.quantile(steps_s, 0.1)), _FINEST * float(np.median(steps_s)))
        length_s = float(times_s[-1] - times_s[0])
        num = max(math.ceil(length_s / step_s), len(times_s)) + 1
        grid_s = np.linspace(times_s[0], times_s[-1], num)
        sections = self.make_sections((num - 1) / length_s)
        filtered = sosfiltfilt(sections, CubicSpline(times_s, values)(grid_s), axis=0)
        return np.asarray(CubicSpline(grid_s, filtered)(times_s))


def measure_rate_hz(times_s: DoubleArray) -> float:
    """Mean number of samples a second of rising times (T,); 0 for fewer than two."""
    return (len(times_s) - 1) / float(times_s[-1] - times_s[0]) if len(times_s) > 1 else 0.0


def is_regular(times_s: DoubleArray) -> bool:
    """Whether rising times (T,) are as good as equally far apart; times rounded to milliseconds are."""
    if len(times_s) < 3:
        return True
    grid_s = np.linspace(times_s[0], times_s[-1], len(times_s))
    return bool(np.abs(times_s - grid_s).max() <= _REGULAR * (grid_s[1] - grid_s[0]))


def split_runs(times_s: DoubleArray, longest_step_s: float) -> list[slice]:
    """Split samples where time stands still, goes back, or leaves out more than a step.

    Args:
        times_s: (T,).
        longest_step_s: Longest step inside a run.

    Returns:
        Slices of the samples, each of one or more; none of no samples.
    """
    if not len(times_s):
        return []
    steps_s = np.diff(times_s)
    # A hair more, for the rounding of times in files.
    ends = np.flatnonzero((steps_s <= 0) | (steps_s > longest_step_s * (1 + 1e-6) + 1e-6)) + 1
    bounds = [0, *ends.tolist(), len(times_s)]
    return [slice(start, end) for start, end in pairwise(bounds)]
