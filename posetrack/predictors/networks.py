"""The call interface of detectors and pose estimators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.skeleton import Skeleton
from trackers.flow import FlowEstimator

Detector = Callable[[Sequence[ImageArray]], list[Instances]]
"""Detects the people in each image, with at least `boxes_xyxy` and `box_scores`."""


class PoseEstimator(Protocol):
    """A function or object that estimates the poses in given boxes."""

    def __call__(
        self, images: Sequence[ImageArray], boxes_xyxy: Sequence[FloatArray], /
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Images and the boxes (N, 4) of each; returns for each image keypoints (N, K, 2) and scores (N, K)."""


@runtime_checkable
class RegionEstimator(PoseEstimator, Protocol):
    """An estimator that knows which part of an image it cuts out for a box."""

    def measure_regions(self, boxes_xyxy: FloatArray) -> FloatArray:
        """The areas (N,) in px^2 of the parts that are cut out for boxes (N, 4)."""


DenseEstimator = Callable[[Sequence[ImageArray], Sequence[FloatArray]], list[tuple[ImageArray, ...]]]
"""Images and the boxes (N, 4) of each; returns for each image N dense poses, see `Instances.dense`."""


@runtime_checkable
class DenseDetector(Protocol):
    """A detector that gives dense poses, also in given boxes."""

    def estimate_dense(
        self, images: Sequence[ImageArray], boxes_xyxy: Sequence[FloatArray], /
    ) -> list[tuple[ImageArray, ...]]:
        """A `DenseEstimator`."""


@dataclass(frozen=True)
class GivenBoxes:
    """Boxes of the people of one source, found by another detector.

    Attributes:
        by_frame: Index of a frame -> its people, with `boxes_xyxy` and `box_scores`; nobody in others.
        sha256: Digest of what they were read from.
    """

    by_frame: Mapping[int, Instances]
    sha256: str


@dataclass(frozen=True)
class Networks:
    """The predictors of a recipe.

    Attributes:
        detector: Detects people in images.
        estimator: Estimates poses in their boxes; None if the detector gives the poses.
        skeleton: Skeleton of the resulting keypoints.
        dense: Estimates the dense poses of people who have none; None if the recipe gives no dense poses.
        weights_sha256: Digests of the files of their weights, by the tables of the recipe.
        flow: Estimates optical flow, where the recipe has a network for it.
        given: Boxes that stand in for the detector's.
    """

    detector: Detector
    estimator: PoseEstimator | None
    skeleton: Skeleton
    dense: DenseEstimator | None = None
    weights_sha256: Mapping[str, str] = field(default_factory=dict)
    flow: FlowEstimator | None = None
    given: GivenBoxes | None = None

    def with_boxes(self, given: GivenBoxes) -> Networks:
        """The same, with boxes that stand in for the detector's."""
        return replace(self, given=given, weights_sha256={**self.weights_sha256, "detector": given.sha256})
