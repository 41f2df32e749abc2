"""Times of frames: strictly increasing seconds from time stamps that may be missing or wrong."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeGuard

_DEFAULT_FPS = Fraction(25)
_HIGHEST_FPS = 1000
_REPAIR_FRACTION = 8
_STEP_BACK = Fraction(9, 4)
_GLITCH_FRAMES = 5


class FrameClock:
    """Converts the time stamps of decoded frames, in order, to times from the source's first frame.

    A missing stamp is set to one frame after the last. A stamp that steps back by more than a frame (a
    recording that starts again, a clock that is set), or a second time in a row, shifts the clock: it continues
    one frame after the last time. Where a stamp soon after fits better without the shift, a few stamps were
    wrong and not the clock, and the shift is taken back. Any other stamp at or before the last time is moved an
    eighth of a frame past it, so that later stamps stay valid.

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
        self._shift = self._old_shift = Fraction(0)
        self._since_shift = self._since_squeeze = _GLITCH_FRAMES
        self._last: Fraction | None = None

    def read(self, pts: int | None) -> float:
        """Time of the next frame in seconds; strictly greater than that of the frame before.

        Args:
            pts: Its presentation time stamp in ticks, None if it has none.
        """
        self._last = self._advance(None if pts is None else pts * self._time_base - self._origin)
        return float(self._last)

    def _advance(self, stamp: Fraction | None) -> Fraction:
        last, step = self._last, self._step
        if last is None:
            return Fraction(0) if stamp is None else stamp
        self._since_shift += 1
        self._since_squeeze += 1
        if stamp is None:
            self.num_repaired += 1
            return last + step
        if self._since_shift <= _GLITCH_FRAMES and self._fits_better(stamp + self._old_shift, last + step):
            self._shift = self._old_shift
            self._since_shift = _GLITCH_FRAMES
        time = stamp + self._shift
        if time > last:
            return time
        self.num_repaired += 1
        if last + step - time <= _STEP_BACK * step and self._since_squeeze > 1:
            self._since_squeeze = 0
            return last + step / _REPAIR_FRACTION
        self._old_shift = self._shift
        self._since_shift = 0
        self._shift += last + step - time
        return last + step

    def _fits_better(self, time: Fraction, expected: Fraction) -> bool:
        """Whether a time is nearer to that of an even rate than with the shift, and not far behind it."""
        error = time - expected
        shifted = error + self._shift - self._old_shift
        return abs(error) < abs(shifted) and -error <= _STEP_BACK * self._step


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
