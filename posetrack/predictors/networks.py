"""The call interface of detectors and pose estimators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.skeleton import Skeleton

Detector = Callable[[Sequence[ImageArray]], list[Instances]]
"""Detects the people in each image, with at least `boxes_xyxy` and `box_scores`."""

PoseEstimator = Callable[[Sequence[ImageArray], Sequence[FloatArray]], list[tuple[FloatArray, FloatArray]]]
"""Estimates keypoints (N, K, 2) and scores (N, K) in the boxes (N, 4) of each image."""


@dataclass(frozen=True)
class Networks:
    """The predictors of a recipe.

    Attributes:
        detector: Detects people in images.
        estimator: Estimates poses in their boxes; None if the detector gives the poses.
        skeleton: Skeleton of the resulting keypoints.
    """

    detector: Detector
    estimator: PoseEstimator | None
    skeleton: Skeleton
