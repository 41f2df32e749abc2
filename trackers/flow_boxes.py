"""Boxes where flow has moved the people of the last frame, alone or together with detections.

Source: Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, section 3.1 and
algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from trackers.clock import Step
from trackers.config import FlowTrackerConfig
from trackers.nms import are_centres_inside, box_nms
from trackers.oks import box_around_keypoints
from trackers.people import People
from trackers.tracks import PoseQueue

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]

EstimateBoxes = Callable[[ImageArray, FloatArray], tuple[FloatArray, FloatArray]]
"""An image and boxes (P, 4) in it; keypoints (P, K, 2) in pixels and their scores (P, K)."""


def find_flow_boxes(
    queue: PoseQueue, config: FlowTrackerConfig, step: Step, size_wh: tuple[int, int]
) -> tuple[FloatArray, BoolArray]:
    """Find the boxes of people of the last frame who may be propagated.

    Args:
        queue: Q poses, moved to this frame.
        config: Settings of the tracker.
        step: Time since the last frame.
        size_wh: Width and height of the image.

    Returns:
        A box around the visible keypoints of each, wider and higher by `config.propagation_padding`, (Q, 4);
        and which of the poses were seen in the last frame, may be propagated, and are in the image, (Q,).
    """
    may = (queue.ages == 1) & config.longest_propagation.allows_propagation(
        queue.propagated_s, step.watched_s, step.usual_s
    )
    boxes = box_around_keypoints(queue.people.keypoints_xy, queue.people.visible, config.propagation_padding)
    return boxes, may & are_centres_inside(boxes, size_wh=size_wh)


def estimate_together(
    image: ImageArray,
    detections: People,
    flow_boxes: People,
    estimate_boxes: EstimateBoxes,
    config: FlowTrackerConfig,
) -> tuple[People, IntArray]:
    """Unite detections and flow boxes by one NMS, and estimate a pose in each box that stays.

    Args:
        image: The image.
        detections: N people; poses that they have are not estimated again.
        flow_boxes: M people without poses. The paper does not say what a flow box scores: here it is the
            person score of the pose that was moved, so that a detection of the same person usually wins, and
            somebody whom nothing detects scores less with every frame.
        estimate_boxes: Estimates the poses.
        config: Settings: `nms_iou`, and `propagation_min_score`, the least mean keypoint score of people in
            flow boxes.

    Returns:
        The people who stay, and where each is among detections and flow boxes, put behind one another,
        ascending.
    """
    united = People.concatenate([detections, flow_boxes])
    rows = np.sort(box_nms(united.boxes_xyxy, united.box_scores, config.nms_iou))
    people = united[rows]
    lacking = np.flatnonzero(people.lack_poses)
    if len(lacking):
        people = people.with_poses(lacking, *estimate_boxes(image, people.boxes_xyxy[lacking]))
    is_found = (rows < len(detections)) | (people.keypoint_scores.mean(axis=1) >= config.propagation_min_score)
    return people[is_found], rows[is_found]
