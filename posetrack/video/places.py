"""The place of each image in its source: its index, which keeps in time where images are missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from posetrack.video.missing import MissingImages
from posetrack.video.rhythm import LONG_GAP, Rhythm, measure_rhythm

_HISTORY = 512
_COVERED = 0.5


class Places:
    """Counts the images of a source, those that are missing included.

    Time alone does not tell a hole from a variable rate. A long gap is a hole if packets there were damaged, or
    if the source's rhythm is steady and no image is declared to last that long.

    Attributes:
        index: Index of the last image; -1 before the first.
    """

    def __init__(self, *, step_s: float, resolution_s: float, survey: Callable[[], Rhythm | None]) -> None:
        """Start before the first image.

        Args:
            step_s: Time from one image to the next by the source's frame rate.
            resolution_s: A tick of the source's clock.
            survey: Measures the source's rhythm; called once, with the first long gap. Where it returns None,
                the rhythm is measured on the images so far.
        """
        self.index = -1
        self._step_s = step_s
        self._resolution_s = resolution_s
        self._survey = survey
        self._rhythm: Rhythm | None = None
        self._has_surveyed = False
        self._times_s: deque[float] = deque(maxlen=_HISTORY)

    @property
    def step_s(self) -> float:
        """The usual time from one image to the next, as far as it is known."""
        return self._step_s if self._rhythm is None else self._rhythm.step_s

    def find_rhythm(self) -> Rhythm | None:
        """The source's rhythm, or that of the images so far; None of too few."""
        if not self._has_surveyed:
            self._has_surveyed = True
            self._rhythm = self._survey()
        if self._rhythm is not None:
            return self._rhythm
        return measure_rhythm(self._times_s, resolution_s=self._resolution_s)

    def advance(
        self, time_s: float, *, longest_s: float = 0.0, num_lost: int = 0, is_damaged: bool = False
    ) -> MissingImages | None:
        """Take the next image, and set `index`.

        Args:
            time_s: Its time.
            longest_s: The longest time for which an image around here is declared to last.
            num_lost: Number of images before it that are known to be lost.
            is_damaged: Whether packets around here were damaged.

        Returns:
            The images that are missing before it, if any.
        """
        last_s = self._times_s[-1] if self._times_s else None
        if last_s is not None:
            gap_s = time_s - last_s
            if gap_s > LONG_GAP * self.step_s and self._is_hole(gap_s, longest_s, is_damaged):
                num_lost = max(num_lost, round(gap_s / self.step_s) - 1)
        self.index += 1 + num_lost
        self._times_s.append(time_s)
        if last_s is None or num_lost == 0:
            return None
        length_s = (time_s - last_s) * num_lost / (num_lost + 1)
        return MissingImages(time_s - length_s, length_s, num_lost)

    def _is_hole(self, gap_s: float, longest_s: float, is_damaged: bool) -> bool:
        rhythm = self.find_rhythm()
        step_s = self.step_s
        if gap_s <= LONG_GAP * step_s or longest_s >= gap_s - _COVERED * step_s:
            return False
        return is_damaged or (rhythm is not None and rhythm.is_steady)
