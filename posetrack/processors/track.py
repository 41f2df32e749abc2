"""Give every person an id that stays with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.frame import BoolArray, FloatArray, Frame, ImageArray, Instances
from posetrack.pipeline import FrameProcessor
from posetrack.processors.estimate import PoseEstimator
from posetrack.skeleton import Skeleton
from trackers.flow_tracker import FlowTracker, FlowTrackerConfig, People


def track(
    config: FlowTrackerConfig,
    skeleton: Skeleton,
    *,
    estimator: PoseEstimator | None = None,
    look_at_images: bool = True,
) -> FrameProcessor:
    """Make the processor that follows people from frame to frame.

    Args:
        config: Settings of the flow tracker.
        skeleton: Gives the OKS sigmas.
        estimator: Estimates the poses of people whom the detector lost, in the boxes that flow predicts for
            them; without it nobody is rescued.
        look_at_images: Without, no optical flow is computed: for saved poses whose video is gone.

    Returns:
        A processor that keeps the tracked people of each frame, rescued ones included, with `track_ids`. People
        who have ids already keep them, and others are matched with them later.
    """

    def estimate_boxes(image: ImageArray, boxes_xyxy: FloatArray) -> tuple[FloatArray, FloatArray]:
        assert estimator is not None
        return estimator([image], [boxes_xyxy])[0]

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        tracker = FlowTracker(np.asarray(skeleton.sigmas, np.float32), config)
        for frame in frames:
            image, people = frame.image if look_at_images else None, _to_people(frame.instances, skeleton)
            if frame.instances.track_ids is not None:
                tracker.adopt(image, people, frame.instances.track_ids)
                yield frame
                continue
            tracked = tracker.update(
                image,
                people,
                estimate_boxes=None if estimator is None else estimate_boxes,
            )
            people = tracked.people
            instances = Instances(
                boxes_xyxy=people.boxes_xyxy,
                box_scores=people.box_scores,
                keypoints_xy=people.keypoints_xy,
                keypoint_scores=people.keypoint_scores,
                track_ids=tracked.track_ids,
                masks=_take_masks(frame.instances.masks, tracked.rows),
                dense=_take_dense(frame.instances.dense, tracked.rows),
            )
            yield replace(frame, instances=instances)

    return process


def _to_people(instances: Instances, skeleton: Skeleton) -> People:
    N, K = len(instances), skeleton.num_keypoints

    def filled(column: FloatArray | None, *shape: int) -> FloatArray:
        return np.zeros((N, *shape), np.float32) if column is None else column

    scores = instances.box_scores
    return People(
        boxes_xyxy=filled(instances.boxes_xyxy, 4),
        box_scores=np.ones(N, np.float32) if scores is None else scores,
        keypoints_xy=filled(instances.keypoints_xy, K, 2),
        keypoint_scores=filled(instances.keypoint_scores, K),
    )


# A rescued person (row -1) has no mask and no IUV: the blank behind the last row, which -1 selects.
def _take_masks(masks: BoolArray | None, rows: npt.NDArray[np.int64]) -> BoolArray | None:
    if masks is None:
        return None
    return np.concatenate([masks, np.zeros_like(masks, shape=(1, *masks.shape[1:]))])[rows]


def _take_dense(
    dense: tuple[npt.NDArray[Any], ...] | None, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[Any], ...] | None:
    if dense is None:
        return None
    padded = (*dense, np.zeros((0, 0, 3), np.uint8))
    return tuple(padded[row] for row in rows)
