"""Colours of people and of the sides of their bodies."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.frame import UNTRACKED, FloatArray

Color = tuple[int, int, int]
"""RGB, each 0..255."""

SIDE_COLORS: dict[str, Color] = {"left": (255, 138, 20), "right": (40, 170, 255), "middle": (235, 235, 235)}
"""Of keypoints and limbs, by the side of the body."""
UNTRACKED_COLOR: Color = (160, 160, 160)
"""Of people without an id."""
OUTLINE_COLOR: Color = (16, 16, 16)
"""Around everything that is drawn, so that it is seen on anything."""

_NUM_COLORS = 64
_RGB_STEP = 17
# Distances and lightness in CIELAB, where 2 is just noticeable and black and white are 100 apart.
_LEAST_LIGHTNESS, _MOST_LIGHTNESS = 45, 93
_LEAST_CHROMA = 30
_LEAST_FROM_SIDES = 38
_CLEAR = 45
# With each so many frames since somebody was last seen, their colour counts as once more as far away, ...
_FORGET_FRAMES = 60
# ... up to this many times, ...
_LONG_GONE = 6.0
# ... and as so much farther each time.
_AGAIN = 20.0
# Colours of so many ids are remembered, the newest.
_MOST_IDS = 100_000


class PersonColors:
    """Gives each track id of a video a colour, which it keeps.

    An id that is new gets its own colour, that of `color_of`, if that is clearly another one than those of
    all people who are there or were there shortly before; else, of the 64 colours, the one that is farthest
    from them. Only earlier frames decide, so that a video and its saved poses give the same colours.
    """

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._last_seen = np.full(_NUM_COLORS, -np.inf)

    def follow(self, track_ids: Iterable[int], index: int) -> None:
        """See the people of the next frame.

        Args:
            track_ids: Their ids.
            index: The frame's position in its source.
        """
        present = sorted(set(track_ids) - {UNTRACKED})
        # A number that goes back, as that of a source that begins again, is taken for the current one.
        self._last_seen = np.minimum(self._last_seen, index)
        for track_id in present:
            if track_id in self._slots:
                self._last_seen[self._slots[track_id]] = index
        for track_id in present:
            if track_id not in self._slots:
                self._slots[track_id] = slot = self._choose(track_id, present, index)
                self._last_seen[slot] = index
        while len(self._slots) > _MOST_IDS:
            del self._slots[next(iter(self._slots))]

    def find(self, track_id: int) -> Color:
        """The colour of an id; of one that was not seen yet, that of `color_of`."""
        slot = self._slots.get(track_id)
        return color_of(track_id) if slot is None else _list_colors()[slot]

    def _choose(self, track_id: int, present: list[int], index: int) -> int:
        """The position of a new id's colour."""
        gone = np.minimum((index - self._last_seen) / _FORGET_FRAMES, _LONG_GONE)
        was_used = np.isfinite(self._last_seen)
        # The same colour again is better than one that is hardly another than that of somebody who is there.
        forgiven = _compare_colors() * (1 + gone) + _AGAIN * gone
        distances = np.where(was_used, forgiven, np.inf).min(axis=1)
        own = _find_own_slot(track_id)
        if distances[own] >= _CLEAR:
            return own
        if distances.max() > 0:
            return int(np.argmax(distances))
        # More people than colours: the one that fewest have.
        counts = np.bincount([self._slots[i] for i in present if i in self._slots], minlength=_NUM_COLORS)
        return int(np.argmin(counts))


def color_of(track_id: int) -> Color:
    """The RGB colour of an id among consecutive ones, the first of which are as different as can be."""
    return UNTRACKED_COLOR if track_id == UNTRACKED else _list_colors()[_find_own_slot(track_id)]


def compute_lab(colors: Iterable[Color]) -> FloatArray:
    """Convert N RGB colours to CIELAB, (N, 3): lightness 0..100, then green to red and blue to yellow."""
    rgb = np.array(list(colors), np.float32).reshape(1, -1, 3) / np.float32(255)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[0], np.float32)


def contrast_with(color: Color) -> Color:
    """Black or white, whichever is the easier to read on a colour."""
    linear = ((np.array(color) / 255 + 0.055) / 1.055) ** 2.4
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    # Where the contrast ratios of WCAG 2 with black and white are the same.
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


def _find_own_slot(track_id: int) -> int:
    # Ids begin at 1.
    return (track_id - 1) % _NUM_COLORS


@cache
def _list_colors() -> list[Color]:
    """Vivid colours, each as far from those before it, and from those of the body's sides, as can be."""
    steps = range(0, 256, _RGB_STEP)
    grid = [(r, g, b) for r in steps for g in steps for b in steps]
    lab, others = compute_lab(grid), compute_lab([*SIDE_COLORS.values(), UNTRACKED_COLOR])
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    is_fit = (lab[:, 0] >= _LEAST_LIGHTNESS) & (lab[:, 0] <= _MOST_LIGHTNESS) & (chroma >= _LEAST_CHROMA)
    is_fit &= np.linalg.norm(lab[:, None] - others, axis=-1).min(axis=1) >= _LEAST_FROM_SIDES
    left = np.flatnonzero(is_fit)
    chosen = [int(left[np.argmax(chroma[left])])]
    distances = np.full(len(left), np.inf)
    while len(chosen) < _NUM_COLORS:
        distances = np.minimum(distances, np.linalg.norm(lab[left] - lab[chosen[-1]], axis=1))
        chosen.append(int(left[np.argmax(distances)]))
    return [grid[i] for i in chosen]


@cache
def _compare_colors() -> npt.NDArray[np.float64]:
    """Distances between the colours, (64, 64)."""
    lab = compute_lab(_list_colors()).astype(np.float64)
    return np.asarray(np.linalg.norm(lab[:, None] - lab, axis=-1))
