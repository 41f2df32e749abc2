"""Who was here lately and what they wear: ids for people who come back after they were forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trackers.appearance import Corners, compare_appearance, describe_clothes
from trackers.matching import match_greedy
from trackers.people import People
from trackers.track_ids import are_among

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
ImageArray = npt.NDArray[np.uint8]

_DESCRIBE_EVERY_S = 0.2
_FADING = 0.9
_LEAST_DESCRIBED = 5
"""Somebody described less often is not known well enough to be recognised."""


@dataclass
class _Known:
    """What is known of a track: the weighted sum of its descriptions, and when it was seen and described."""

    looks: FloatArray
    described: int
    described_s: float
    seen_s: float


class Gallery:
    """Remembers how people look, and recognises those who come back within a limited time.

    Args:
        corners: See `trackers.appearance.describe_clothes`.
        longest_s: Time for which somebody who is gone is remembered.
        min_similarity: Least similarity of the clothes.
        margin: By how much more alike a person has to be to one than to anybody else, here or gone.
    """

    def __init__(
        self, corners: tuple[Corners, Corners] | None, longest_s: float, min_similarity: float, margin: float
    ) -> None:
        self._corners = corners
        self._longest_s = longest_s
        self._min_similarity = min_similarity
        self._margin = margin
        self._known: dict[int, _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def clear(self) -> None:
        """Forget everybody."""
        self._known.clear()

    def note(self, image: ImageArray, people: People, track_ids: IntArray, time_s: float) -> None:
        """Remember the people of a frame; those who were described lately are only noted as seen.

        Args:
            image: (H, W, 3) uint8 RGB.
            people: N people.
            track_ids: (N,), from 1 up.
            time_s: Time of the frame.
        """
        self._known = {i: k for i, k in self._known.items() if time_s - k.seen_s <= self._longest_s}
        due = []
        for row, track_id in enumerate(track_ids.tolist()):
            known = self._known.get(track_id)
            if known is not None:
                known.seen_s = time_s
            if known is None or time_s - known.described_s >= _DESCRIBE_EVERY_S - 1e-3:
                due.append(row)
        if not due:
            return
        rows = np.array(due, np.int64)
        for track_id, looks in zip(track_ids[rows].tolist(), self._describe(image, people[rows]), strict=True):
            known = self._known.get(track_id)
            if known is None:
                self._known[track_id] = _Known(looks, 1, time_s, time_s)
            else:
                known.looks = _FADING * known.looks + looks
                known.described, known.described_s = known.described + 1, time_s

    def recognise(self, image: ImageArray, people: People, here: IntArray) -> IntArray:
        """Find ids for people who would start a track.

        Args:
            image: (H, W, 3) uint8 RGB.
            people: N people.
            here: Ids of tracks that are not gone.

        Returns:
            (N,) ids of people who are gone, each at most once; 0 for somebody who is not recognised.
        """
        ids = np.zeros(len(people), np.int64)
        known = np.array(list(self._known), np.int64)
        is_gone = ~are_among(known, here)
        is_gone &= np.array([each.described >= _LEAST_DESCRIBED for each in self._known.values()], np.bool_)
        if not (is_gone.any() and len(people)):
            return ids
        looks = np.stack([each.looks for each in self._known.values()])
        similarity = np.nan_to_num(compare_appearance(self._describe(image, people), looks))
        cols = np.argsort(-similarity, axis=1, kind="stable")
        best = np.take_along_axis(similarity, cols, axis=1)
        second = best[:, 1] if len(known) > 1 else np.zeros(len(people), np.float32)
        is_clear = best[:, 0] - second >= self._margin
        rows, matched = match_greedy(np.where(is_clear[:, None] & is_gone, similarity, 0), self._min_similarity)
        is_best = matched == cols[rows, 0]
        ids[rows[is_best]] = known[matched[is_best]]
        return ids

    def _describe(self, image: ImageArray, people: People) -> FloatArray:
        return describe_clothes(image, people.boxes_xyxy, people.keypoints_xy, people.visible, self._corners)
