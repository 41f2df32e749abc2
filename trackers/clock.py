"""The clock of a tracker: it never goes back, and knows how long a frame usually lasts."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import NamedTuple

FRAME_S = 0.04
"""Duration of a frame at 25 frames a second: the rate for which settings and constants in frames are given."""

_REMEMBERED = 15
_LATE_S = 0.3
_LATE_TIMES = 3.0
"""A step is late if it lasts longer than the usual one by this factor, and than 0.3 s."""
_MOST_STILL = 10
"""After so many frames in a row without a later time the clock is taken to be broken."""


class Step(NamedTuple):
    """The time from one frame to the next.

    Attributes:
        step_s: Its length, in seconds, 0 or more.
        usual_s: The usual length lately.
    """

    step_s: float
    usual_s: float

    @property
    def is_late(self) -> bool:
        """Whether the frame came late: frames before it were lost, or the source was silent."""
        return self.step_s > self._latest_s

    @property
    def watched_s(self) -> float:
        """For how much of it somebody counts as missed: nobody looked during the rest of a late step."""
        return min(self.step_s, self._latest_s)

    @property
    def _latest_s(self) -> float:
        return max(_LATE_S, _LATE_TIMES * self.usual_s)

    def is_pause(self, longest_s: float) -> bool:
        """Whether it is a pause of the source: longer than this, and late."""
        return self.is_late and self.step_s > longest_s + 1e-3


class Clock:
    """Turns times of frames into steps.

    A time that repeats or goes back counts as no step; one that comes back after that counts from the highest
    time so far. If time stands still for more than 10 frames, the usual step is assumed.

    Attributes:
        time_s: Sum of the steps, from the first frame's time on.
    """

    def __init__(self) -> None:
        self.time_s = 0.0
        self._last_s: float | None = None
        self._highest_s = 0.0
        self._ahead_s = 0.0
        self._num_still = 0
        self._steps_s: deque[float] = deque(maxlen=_REMEMBERED)

    def tick(self, time_s: float | None) -> Step:
        """Take the time of the next frame; `None`: 1/25 s after the last one.

        Returns:
            The step to it, 0 for the first frame.
        """
        if self._last_s is None:
            self._last_s = self._highest_s = self.time_s = 0.0 + (FRAME_S if time_s is None else time_s)
            return Step(0.0, FRAME_S)
        time_s = self._last_s + FRAME_S if time_s is None else time_s
        before_s = self._highest_s if time_s > self._highest_s else self._last_s
        step_s = max(time_s - before_s, 0.0)
        usual_s = median(self._steps_s) if self._steps_s else step_s or FRAME_S
        self._num_still = 0 if step_s > 0 else self._num_still + 1
        if step_s > 0:
            self._steps_s.append(step_s)
        elif self._num_still > _MOST_STILL:
            step_s = usual_s
        self._follow(time_s, step_s)
        return Step(step_s, usual_s)

    def _follow(self, time_s: float, step_s: float) -> None:
        """Go on to a time; as long as times rise, `time_s` is that time to the last digit."""
        if time_s <= self._highest_s or self._ahead_s:
            self._ahead_s = self.time_s + step_s - time_s
        self.time_s = time_s + self._ahead_s
        self._last_s, self._highest_s = time_s, max(self._highest_s, time_s)
