"""Where MOTA is lost: by cause, keypoint, and size of the person."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from posetrack.annotations.video import DoubleArray
from posetrack.evaluation.posetrack.mota import FrameMatches
from posetrack.frame import IntArray

SMALL_PX, LARGE_PX = 100.0, 250.0
"""A person is small below the first and large from the second on, by the longer side of the keypoints' box."""

SIZES = ("small", "medium", "large", "alone")
"""The classes of people; `alone` are frames in which either side has nobody, which the reference tool counts as
one object and one hypothesis a keypoint."""

CAUSES = ("misses", "false_positives", "switches")


@dataclass(frozen=True, eq=False)
class LossCounts:
    """What MOTA is lost by, (4, K) each: by class of people, `SIZES`, and keypoint. They add up over sequences.

    Misses and switches are of the size of the true person, false positives of that of the predicted one.

    Attributes:
        objects: Number of annotated keypoints.
        misses: Number of those that no prediction was matched with.
        false_positives: Number of predicted keypoints that were matched with none.
        switches: Number of matches with another track than the person's last one.
    """

    objects: IntArray
    misses: IntArray
    false_positives: IntArray
    switches: IntArray

    def compute_points(self) -> dict[str, DoubleArray]:
        """Points of MOTA that are lost, in percent, by cause: (4, K); NaN where nothing is annotated.

        Summed over causes and classes, they and MOTA of a keypoint are 100.
        """
        objects = self.objects.sum(axis=0)
        total = np.where(objects == 0, np.nan, objects)
        return {cause: 100 * getattr(self, cause) / total for cause in CAUSES}


class LossAccumulator:
    """Accumulates the losses of one sequence, frame by frame.

    Args:
        num_keypoints: K.
    """

    def __init__(self, num_keypoints: int) -> None:
        self._counts = {
            column.name: np.zeros((len(SIZES), num_keypoints), np.int64) for column in fields(LossCounts)
        }

    def update(self, true_sizes: IntArray, predicted_sizes: IntArray, matches: FrameMatches) -> None:
        """Add the next frame.

        Args:
            true_sizes: (G,), classes of the true people, as `classify_sizes` gives them.
            predicted_sizes: (P,), those of the predicted ones.
            matches: What became of their keypoints.
        """
        for name, sizes, flags in (
            ("objects", true_sizes, matches.true_present),
            ("misses", true_sizes, matches.true_present & ~matches.found),
            ("switches", true_sizes, matches.switched),
            ("false_positives", predicted_sizes, matches.predicted_present & ~matches.used),
        ):
            np.add.at(self._counts[name], sizes, flags)

    def count_alone(self) -> None:
        """Add a frame in which either side has nobody, as the reference tool counts it."""
        for name in ("objects", "misses", "false_positives"):
            self._counts[name][SIZES.index("alone")] += 1

    def counts(self) -> LossCounts:
        """The counts so far."""
        return LossCounts(**self._counts)


def classify_sizes(keypoints_xy: DoubleArray) -> IntArray:
    """The class of each person, an index of `SIZES`, (N,).

    Args:
        keypoints_xy: (N, K, 2), pixels, NaN where absent.
    """
    is_there = ~np.isnan(keypoints_xy)
    highest = np.where(is_there, keypoints_xy, -np.inf).max(axis=1, initial=-np.inf)
    lowest = np.where(is_there, keypoints_xy, np.inf).min(axis=1, initial=np.inf)
    sides_px = np.maximum(highest - lowest, 0).max(axis=1, initial=0)
    return np.asarray(np.searchsorted((SMALL_PX, LARGE_PX), sides_px, side="right"), np.int64)
