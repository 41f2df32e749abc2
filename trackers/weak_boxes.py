"""Boxes whose poses were too weak to start a track: these are not estimated again in every frame.

A detector finds the same signs, mannequins and reflections in frame after frame. Their poses are weak and start
no track, but a pose network would spend up to half of its time on them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from trackers.nms import compute_iou

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FIRST_LOOK_S = 0.4
"""Time until a box whose pose was weak is looked at again."""
LONGEST_LOOK_S = 0.8
"""The time doubles with each further weak pose in the same place, up to this."""
DELAY_S = 0.12
"""Time until a verdict counts, so that the frames before may be estimated in one batch with its own."""
_SLACK_S = 1e-3
_SAME_IOU = 0.6
_RISE = 0.15
"""A box whose score rises by more than this is looked at at once: somebody may have stepped in front of it."""


@dataclass(frozen=True, eq=False)
class _Places:
    """W places of weak poses, one row each.

    Attributes:
        boxes_xyxy: (W, 4), where the detector found them last.
        scores: (W,), of the boxes.
        looked_s: (W,), when poses were estimated last.
        verdict_s: (W,), when that was last a look after a time without.
        waits_s: (W,), time until the next look.
    """

    boxes_xyxy: FloatArray
    scores: FloatArray
    looked_s: DoubleArray
    verdict_s: DoubleArray
    waits_s: DoubleArray

    @classmethod
    def none(cls) -> _Places:
        nothing = np.zeros(0)
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), nothing, nothing, nothing)

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: BoolArray) -> _Places:
        return _Places(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __add__(self, other: _Places) -> _Places:
        names = [field.name for field in fields(self)]
        return _Places(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))


class WeakBoxes:
    """Remembers the boxes of weak poses, and chooses those of a frame that need a pose.

    A box needs none while it overlaps a remembered one, scores hardly more than that did, and it is not yet
    time to look again. What is chosen depends only on verdicts that are `DELAY_S` old, so that it is the same
    however many frames are estimated at once.

    Args:
        min_score: Boxes that score less need no pose in any case: it could start no track.
    """

    def __init__(self, min_score: float = 0.0) -> None:
        self._min_score = min_score
        self._verdicts: deque[tuple[float, FloatArray, FloatArray, BoolArray]] = deque()
        self.clear()

    def clear(self) -> None:
        """Forget all boxes."""
        self._verdicts.clear()
        self._places = _Places.none()
        self._last_s = -np.inf

    def choose(self, time_s: float, boxes_xyxy: FloatArray, scores: FloatArray) -> BoolArray:
        """Choose the boxes of the next frame whose poses are wanted, (N,).

        Args:
            time_s: Time of the frame; when it is less than the last one, all boxes are forgotten.
            boxes_xyxy: (N, 4), pixels.
            scores: (N,), of the boxes.
        """
        if time_s < self._last_s:
            self.clear()
        self._last_s = time_s
        while self._verdicts and is_settled(self._verdicts[0][0], time_s):
            self._apply(*self._verdicts.popleft())
        places = self._places
        self._places = places = places[time_s - places.looked_s <= places.waits_s + FIRST_LOOK_S]
        may_start = scores >= self._min_score
        if not len(boxes_xyxy) or not len(places):
            return np.asarray(may_start)
        iou = compute_iou(boxes_xyxy, places.boxes_xyxy)
        nearest = iou.argmax(axis=1)
        is_known = iou[np.arange(len(iou)), nearest] >= _SAME_IOU
        is_known &= scores <= places.scores[nearest] + _RISE
        is_due = time_s - places.looked_s[nearest] >= places.waits_s[nearest] - _SLACK_S
        places.boxes_xyxy[nearest[is_known]] = boxes_xyxy[is_known]
        # Not again before this verdict counts.
        places.looked_s[nearest[is_known & is_due]] = time_s
        return np.asarray(may_start & (~is_known | is_due))

    def note(self, time_s: float, boxes_xyxy: FloatArray, scores: FloatArray, is_weak: BoolArray) -> None:
        """Take note of the boxes of a frame whose poses were estimated.

        Args:
            time_s: Time of the frame; frames come in order.
            boxes_xyxy: (N, 4), pixels.
            scores: (N,), of the boxes.
            is_weak: (N,), whose poses could not start a track.
        """
        if len(boxes_xyxy):
            self._verdicts.append((time_s, boxes_xyxy, scores, is_weak))

    def _apply(self, time_s: float, boxes_xyxy: FloatArray, scores: FloatArray, is_weak: BoolArray) -> None:
        old = self._places
        is_same = compute_iou(boxes_xyxy, old.boxes_xyxy) >= _SAME_IOU
        # Frames that were estimated before the first verdict counted are no further looks.
        is_later = is_same & (time_s - old.verdict_s >= FIRST_LOOK_S - _SLACK_S)
        waits_s = np.where(is_same, old.waits_s * np.where(is_later, 2, 1), 0).max(axis=1, initial=FIRST_LOOK_S)
        is_first = is_later.any(axis=1) | ~is_same.any(axis=1)
        verdict_s = np.where(is_same, old.verdict_s, -np.inf).max(axis=1, initial=-np.inf)
        found = _Places(
            boxes_xyxy=boxes_xyxy,
            scores=scores,
            looked_s=np.full(len(scores), time_s),
            verdict_s=np.where(is_first, time_s, verdict_s),
            waits_s=np.minimum(waits_s, LONGEST_LOOK_S),
        )
        self._places = old[np.asarray(~is_same.any(axis=0))] + found[is_weak]


def is_settled(noted_s: float, time_s: float) -> bool:
    """Whether a verdict on a frame counts for a later one, by their times."""
    return noted_s <= time_s - DELAY_S + _SLACK_S
