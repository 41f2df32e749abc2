"""Scores in 0..1 for tracking: heights of peaks, which networks give as they are, may be above 1 or below 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posetrack.frame import FloatArray, ImageArray, Instances
from posetrack.predictors.networks import Networks, PoseEstimator


def clip_scores(networks: Networks) -> Networks:
    """The same networks with box and keypoint scores in 0..1; benchmarks rank people by the unclipped ones."""
    detector, estimator = networks.detector, networks.estimator

    def detect(images: Sequence[ImageArray]) -> list[Instances]:
        return [_clip(people) for people in detector(images)]

    return replace(
        networks, detector=detect, estimator=None if estimator is None else _clip_estimator(estimator)
    )


def _clip(people: Instances) -> Instances:
    columns = {"box_scores": people.box_scores, "keypoint_scores": people.keypoint_scores}
    return people.with_columns(
        **{name: scores.clip(0, 1) for name, scores in columns.items() if scores is not None}
    )


def _clip_estimator(estimator: PoseEstimator) -> PoseEstimator:
    def estimate(
        images: Sequence[ImageArray], boxes_xyxy: Sequence[FloatArray], /
    ) -> list[tuple[FloatArray, FloatArray]]:
        return [(points, np.clip(scores, 0, 1)) for points, scores in estimator(images, boxes_xyxy)]

    return estimate
