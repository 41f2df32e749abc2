"""What the networks of a recipe are to whoever calls them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.skeleton import Skeleton

Detector = Callable[[Sequence[ImageArray]], list[Instances]]
"""Images in; for each the people in it, with `boxes_xyxy` and `box_scores` at least."""

PoseEstimator = Callable[[Sequence[ImageArray], Sequence[FloatArray]], list[tuple[FloatArray, FloatArray]]]
"""Images and the boxes (N, 4) of each in; for each image keypoints (N, K, 2) and scores (N, K)."""


@dataclass(frozen=True)
class Networks:
    """The networks of a recipe, ready to be called.

    Attributes:
        detector: Finds people in images.
        estimator: Estimates poses in their boxes; None where the detector gives the poses.
        skeleton: The keypoints that come out.
    """

    detector: Detector
    estimator: PoseEstimator | None
    skeleton: Skeleton
