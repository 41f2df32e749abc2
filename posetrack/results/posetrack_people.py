"""What the two PoseTrack formats share: 15 joints, track ids below 10,000, a score that is never 0."""

from __future__ import annotations

import logging

import numpy as np

from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, Instances, IntArray, from_pixel_indices
from posetrack.results.conversions import find_posetrack_conversion
from posetrack.results.people import ExportedPeople, ExportOptions, select_people
from posetrack.results.rounding import RoundedArray
from posetrack.skeleton import POSETRACK_15, Skeleton

NUM_TRACK_IDS = 10_000
"""The evaluation refuses track ids from here on."""

_LEAST_SCORE = 0.0001
_HEAD_FRACTION = 0.18

_log = logging.getLogger(__name__)


def select_posetrack_people(instances: Instances, skeleton: Skeleton, options: ExportOptions) -> ExportedPeople:
    """Take the people with at least one joint from one frame, as `POSETRACK_15`.

    People without joints are left out: the evaluation counts them differently in its two formats.

    Args:
        instances: The people of one frame.
        skeleton: One with a conversion (`find_posetrack_conversion`).
        options: Thresholds for people and keypoints.

    Returns:
        The people, with K = 15; their keypoints are indices of pixels, as PoseTrack's are.
    """
    return select_people(
        instances,
        skeleton,
        options,
        convert_keypoints=find_posetrack_conversion(skeleton),
        posed_only=True,
        keypoints_as_indices=True,
    )


def raise_zero_scores(person_scores: RoundedArray) -> list[float]:
    """Give people with a score of 0 the least one above: the reference tool takes 0 for a missing score.

    Args:
        person_scores: (N,).

    Returns:
        N scores.
    """
    scores: list[float] = np.maximum(person_scores, _LEAST_SCORE).tolist()
    return scores


def estimate_head_boxes(people: ExportedPeople) -> RoundedArray:
    """Estimate the head boxes by whose size PoseTrack's evaluation measures distances.

    A square as long as the head, from neck to head top, about their middle; nobody has drawn it. Where one of
    them is absent, the head's length is taken for 0.18 of the longer side of the person's box.

    Args:
        people: N people with the keypoints of `POSETRACK_15`, as indices of pixels.

    Returns:
        (N, 4), xyxy, pixels.
    """
    nose, neck, top = (POSETRACK_15.names.index(name) for name in ("nose", "neck", "head_top"))
    xy, present, boxes = from_pixel_indices(people.keypoints_xy), people.present, people.boxes_xyxy
    lengths = np.linalg.norm(xy[:, top] - xy[:, neck], axis=1)
    centres = (xy[:, top] + xy[:, neck]) / 2
    has_head = present[:, top] & present[:, neck] & (lengths > 0)
    guessed = np.maximum(_HEAD_FRACTION * (boxes[:, 2:] - boxes[:, :2]).max(axis=1), 1)
    above = np.stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, 1] + guessed / 2], axis=1)
    above = np.where(present[:, nose, None], xy[:, nose], above)
    lengths, centres = np.where(has_head, lengths, guessed), np.where(has_head[:, None], centres, above)
    return np.concatenate([centres - lengths[:, None] / 2, centres + lengths[:, None] / 2], axis=1)


class TrackNumbers:
    """Fits the track ids of one video into the 10,000 that PoseTrack's evaluation takes.

    An id keeps its number where it can; a larger one takes the lowest number still free. People without a
    track get a number that no track has, downwards from 9,999 and another one in each frame, because a
    number must not stand twice in a frame.
    """

    def __init__(self) -> None:
        self._number_of: dict[int, int] = {}
        self._tracks: set[int] = set()
        self._loose: set[int] = set()
        self._last_loose = NUM_TRACK_IDS

    def number(self, track_ids: IntArray) -> list[int]:
        """Number the people of the next frame.

        Args:
            track_ids: (N,), `UNTRACKED` where there is none.

        Returns:
            N numbers from 0 to 9,999.

        Raises:
            ResultsError: The video has more than 10,000 tracks.
        """
        ids = track_ids.tolist()
        tracked = {track_id: self._number_track(track_id) for track_id in ids if track_id != UNTRACKED}
        return [tracked[i] if i != UNTRACKED else self._number_loose_person() for i in ids]

    def _number_track(self, track_id: int) -> int:
        if track_id not in self._number_of:
            number = track_id
            if not 0 <= track_id < NUM_TRACK_IDS or track_id in self._tracks or track_id in self._loose:
                number = self._find_free()
                _log.info("track %d is written as %d: the evaluation takes ids below 10000", track_id, number)
            self._number_of[track_id] = number
            self._tracks.add(number)
        return self._number_of[track_id]

    def _find_free(self) -> int:
        for taken in (self._tracks | self._loose, self._tracks):
            if len(taken) < NUM_TRACK_IDS:
                return next(number for number in range(NUM_TRACK_IDS) if number not in taken)
        raise ResultsError(
            "more than 10000 tracks in one video: PoseTrack's evaluation takes no more; export a part of it"
        )

    def _number_loose_person(self) -> int:
        if not self._loose:
            _log.warning("people without a track id: they get numbers of their own, so MOTA says nothing")
        if len(self._tracks) == NUM_TRACK_IDS:
            return self._find_free()
        self._last_loose = (self._last_loose - 1) % NUM_TRACK_IDS
        while self._last_loose in self._tracks:
            self._last_loose = (self._last_loose - 1) % NUM_TRACK_IDS
        self._loose.add(self._last_loose)
        return self._last_loose
