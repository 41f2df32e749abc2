"""The processor that estimates the pose in each detected box, with the boxes of several frames in one batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from posetrack.frame import Frame
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.networks import PoseEstimator


def estimate(estimator: PoseEstimator, *, batch_crops: int, batch_frames: int) -> FrameProcessor:
    """Make the processor of pose estimation.

    Args:
        estimator: Called with the images and boxes of several frames at once.
        batch_crops: Number of boxes that triggers a call.
        batch_frames: Largest number of frames held back, however few people are in them.

    Returns:
        A processor that fills in `keypoints_xy` and `keypoint_scores` of each frame.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        waiting: list[Frame] = []
        for frame in frames:
            waiting.append(frame)
            crops = sum(len(held.instances) for held in waiting)
            if crops >= batch_crops or len(waiting) >= batch_frames:
                yield from _estimate_frames(estimator, waiting)
                waiting = []
        if waiting:
            yield from _estimate_frames(estimator, waiting)

    return process


def _estimate_frames(estimator: PoseEstimator, frames: list[Frame]) -> Iterator[Frame]:
    boxes = [
        np.zeros((0, 4), np.float32) if frame.instances.boxes_xyxy is None else frame.instances.boxes_xyxy
        for frame in frames
    ]
    poses = estimator([frame.image for frame in frames], boxes)
    for frame, (keypoints_xy, keypoint_scores) in zip(frames, poses, strict=True):
        instances = replace(frame.instances, keypoints_xy=keypoints_xy, keypoint_scores=keypoint_scores)
        yield replace(frame, instances=instances)
