"""Images that a source should have and does not give, and the words for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

_MAX_LISTED = 1000
_NUM_DESCRIBED = 3


@dataclass(frozen=True)
class MissingImages:
    """A run of images that are missing in a source.

    Attributes:
        start_s: Where the first of them should be, in seconds from the source's first frame.
        length_s: How long they should last; None if unknown, at the end of a file that was cut off.
        num_frames: Their number; None if unknown.
        is_estimate: Whether length and number are estimated from the size of the file's lost part.
    """

    start_s: float
    length_s: float | None
    num_frames: int | None
    is_estimate: bool = False

    def __str__(self) -> str:
        """For example `2.6 s missing at 4.0 s (39 frames)`."""
        if self.length_s is None or self.num_frames is None:
            return f"images missing from {self.start_s:.1f} s on (their number is unknown)"
        about = "about " if self.is_estimate else ""
        plural = "" if self.num_frames == 1 else "s"
        digits = 1 if self.length_s >= 0.1 else 3
        return (
            f"{about}{self.length_s:.{digits}f} s missing at {self.start_s:.1f} s "
            f"({about}{self.num_frames} frame{plural})"
        )

    def clip(self, start_s: float, end_s: float | None) -> MissingImages | None:
        """What of them lies between two times; None if nothing.

        Args:
            start_s: Start of the part.
            end_s: Its end, exclusive; None for the end of the source.
        """
        if self.length_s is None or self.num_frames is None:
            return self if end_s is None or self.start_s < end_s else None
        first_s = max(self.start_s, start_s)
        last_s = self.start_s + self.length_s if end_s is None else min(self.start_s + self.length_s, end_s)
        num_frames = round((last_s - first_s) / self.length_s * self.num_frames)
        if num_frames < 1:
            return None
        return replace(self, start_s=first_s, length_s=last_s - first_s, num_frames=num_frames)


def add_missing(missing: list[MissingImages], run: MissingImages) -> None:
    """Append a run; in a long list the last one sums up all that follow, so that memory stays bounded."""
    last = missing[-1] if len(missing) == _MAX_LISTED else None
    if last is None or last.length_s is None or last.num_frames is None or run.length_s is None:
        missing.append(run)
    else:
        missing[-1] = replace(
            last, length_s=last.length_s + run.length_s, num_frames=last.num_frames + (run.num_frames or 0)
        )


def describe_missing(missing: Sequence[MissingImages]) -> str:
    """One line on the longest of them, in order, and on all; empty if there are none."""

    def rank(run: MissingImages) -> float:
        return math.inf if run.length_s is None else run.length_s

    longest = sorted(sorted(missing, key=rank, reverse=True)[:_NUM_DESCRIBED], key=lambda run: run.start_s)
    parts = [str(run) for run in longest]
    if len(missing) > _NUM_DESCRIBED:
        total_s, num_frames = sum_missing(missing)
        parts.append(f"{len(missing) - _NUM_DESCRIBED} shorter; {total_s:.1f} s in all ({num_frames} frames)")
    return ", ".join(parts)


def sum_missing(missing: Sequence[MissingImages]) -> tuple[float, int]:
    """Seconds and number of all missing images, as far as they are known."""
    return sum(run.length_s or 0.0 for run in missing), sum(run.num_frames or 0 for run in missing)
