"""Times of frames: strictly increasing seconds from time stamps that may be missing or wrong."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeGuard

_DEFAULT_FPS = Fraction(25)
_HIGHEST_FPS = 1000
_REPAIR_FRACTION = 8
_JUMP_S = 1


class FrameClock:
    """Converts the time stamps of decoded frames, in order, to times from the source's first frame.

    A missing stamp is set to one frame after the last. A stamp at or before the last time is moved an eighth
    of a frame past it, so that later stamps stay valid; if it is more than a second earlier (a recording that
    starts again), the clock continues from the last time.

    Attributes:
        num_repaired: Number of stamps that were missing or out of order.
    """

    def __init__(self, *, time_base: Fraction, fps: Fraction, first_pts: int | None) -> None:
        """Start the clock.

        Args:
            time_base: Seconds in one tick.
            fps: The frame rate used for missing stamps.
            first_pts: Stamp of the source's first frame in ticks; 0 if None.
        """
        self._origin = (first_pts or 0) * time_base
        self.num_repaired = 0
        self._time_base = time_base
        self._step = 1 / fps
        self._shift = Fraction(0)
        self._last: Fraction | None = None

    def read(self, pts: int | None) -> float:
        """Time of the next frame in seconds; strictly greater than that of the frame before.

        Args:
            pts: Its presentation time stamp in ticks, None if it has none.
        """
        self._last = self._advance(None if pts is None else pts * self._time_base - self._origin)
        return float(self._last)

    def _advance(self, stamp: Fraction | None) -> Fraction:
        if self._last is None:
            return Fraction(0) if stamp is None else stamp
        if stamp is not None:
            time = stamp + self._shift
            if time > self._last:
                return time
            self.num_repaired += 1
            if self._last - time <= _JUMP_S:
                return self._last + self._step / _REPAIR_FRACTION
            self._shift += self._last + self._step - time
            return self._last + self._step
        self.num_repaired += 1
        return self._last + self._step


def choose_fps(
    average: Fraction | None, guessed: Fraction | None, measured: Fraction | None = None
) -> Fraction:
    """Choose the most plausible frame rate of a container.

    Args:
        average: Number of frames over duration, as the container gives them.
        guessed: FFmpeg's guess of the rate from headers and time stamps.
        measured: Measures the rate of the first time stamps; called only if the others are implausible.

    Returns:
        The average rate, unless it is implausible (1000 fps and more, or none) or higher than the rate that
        FFmpeg guesses, which no average can be; 25 if no rate is plausible.
    """
    if is_sane_fps(average) and is_sane_fps(guessed):
        return min(average, guessed)
    return next(filter(is_sane_fps, (average, guessed, measured)), _DEFAULT_FPS)


def measure_fps(pts: list[int], time_base: Fraction) -> Fraction | None:
    """The average frame rate of some time stamps, None for fewer than two of them.

    Args:
        pts: Time stamps in ticks, in any order.
        time_base: Seconds in one tick.
    """
    span = (max(pts) - min(pts)) * time_base if pts else Fraction(0)
    return ((len(pts) - 1) / span).limit_denominator(1001) if span > 0 else None


def is_sane_fps(fps: Fraction | None) -> TypeGuard[Fraction]:
    """Whether a frame rate is plausible."""
    return fps is not None and 0 < fps < _HIGHEST_FPS
