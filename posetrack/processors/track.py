"""Track people: the processor that assigns track ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np

from posetrack.frame import FloatArray, Frame, ImageArray, Instances
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.networks import PoseEstimator
from posetrack.processors.clothes import find_clothes
from posetrack.skeleton import Skeleton
from trackers.flow import FlowEstimator
from trackers.flow_tracker import FlowTracker, FlowTrackerConfig, People

_COLUMNS = tuple(field.name for field in fields(People))
_GRID = np.array([1 / 8, 3 / 8, 5 / 8, 7 / 8], np.float32)
_BOX_POINTS = np.stack(np.meshgrid(_GRID, _GRID), axis=-1).reshape(-1, 2)
"""Points that stand in for keypoints, as fractions of a box, (16, 2)."""
_BOX_SIGMA = 0.1
"""Their OKS sigma, between those of knees and hips."""


def track(
    config: FlowTrackerConfig,
    skeleton: Skeleton,
    *,
    estimator: PoseEstimator | None = None,
    look_at_images: bool = True,
    by_boxes: bool = False,
    flow: FlowEstimator | None = None,
) -> FrameProcessor:
    """Make the processor that assigns track ids.

    Args:
        config: Settings of the flow tracker.
        skeleton: Gives the OKS sigmas.
        estimator: Estimates the poses of people that the detector missed, in the boxes that flow predicts for
            them, and the poses that `estimate` left out where a track is expected; without it nobody is
            propagated.
        look_at_images: Without, no optical flow is computed: for saved poses whose video is gone.
        by_boxes: People have no poses, and are tracked by their boxes: points spread over each stand in for
            keypoints. Nobody is propagated.
        flow: Estimates optical flow; needed where the tracker's flow is a network.

    Returns:
        A processor that keeps the tracked people of each frame with all their columns, and behind them the
        propagated people, with `track_ids`, and sets the frame's skeleton and background motion. The people of
        a restored frame keep their ids, and others are matched with them later.
    """

    def estimate_boxes(image: ImageArray, boxes_xyxy: FloatArray) -> tuple[FloatArray, FloatArray]:
        assert estimator is not None
        return estimator([image], [boxes_xyxy])[0]

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        sigmas, clothes = np.asarray(skeleton.sigmas, np.float32), find_clothes(skeleton)
        if by_boxes:
            sigmas, clothes = np.full(len(_BOX_POINTS), _BOX_SIGMA, np.float32), None
        # The overlap of boxes alone tells who was found twice.
        settings = replace(config, nms_oks=1.0) if by_boxes else config
        tracker = FlowTracker(sigmas, settings, clothes, flow)
        for frame in frames:
            image = frame.image if look_at_images else None
            instances = frame.instances if by_boxes else _complete(frame.instances, skeleton)
            if frame.instances.keypoints_xy is None and config.propagation == "joint" and not by_boxes:
                # Not estimated yet: the tracker has it done.
                instances = instances.with_columns(
                    keypoints_xy=np.full((len(instances), skeleton.num_keypoints, 2), np.nan, np.float32)
                )
            shown = _stand_in(instances) if by_boxes else instances
            people = People(**{name: getattr(shown, name) for name in _COLUMNS})
            if frame.is_restored and frame.instances.track_ids is not None:
                motion = tracker.adopt(
                    image, people, frame.instances.track_ids, time_s=frame.time_s, size_wh=frame.size_wh
                )
                yield replace(frame, skeleton=skeleton, background_motion=motion)
                continue
            estimate = None if estimator is None or by_boxes else estimate_boxes
            tracked = tracker.update(image, people, estimate, time_s=frame.time_s, size_wh=frame.size_wh)
            instances = instances[tracked.rows]
            if not by_boxes:
                instances = instances.with_columns(
                    keypoints_xy=tracked.detected.keypoints_xy, keypoint_scores=tracked.detected.keypoint_scores
                )
                propagated = {name: getattr(tracked.propagated, name) for name in _COLUMNS}
                instances = Instances.concatenate([instances, Instances(**propagated)])
            instances = instances.with_columns(track_ids=tracked.track_ids)
            yield replace(
                frame, instances=instances, skeleton=skeleton, background_motion=tracked.background_motion
            )

    return process


def _complete(instances: Instances, skeleton: Skeleton) -> Instances:
    """The people with every column that tracking needs: blank where missing, but box scores 1."""
    if instances.box_scores is None:
        instances = instances.with_columns(box_scores=np.ones(len(instances), np.float32))
    return Instances.concatenate([instances, Instances.empty(skeleton.num_keypoints)])


def _stand_in(instances: Instances) -> Instances:
    """People with points of their boxes in place of keypoints."""
    boxes = instances.boxes_xyxy
    boxes = np.zeros((len(instances), 4), np.float32) if boxes is None else boxes
    points = boxes[:, None, :2] + _BOX_POINTS * (boxes[:, 2:] - boxes[:, :2])[:, None]
    scores = np.ones(len(boxes), np.float32) if instances.box_scores is None else instances.box_scores
    return Instances(
        boxes_xyxy=boxes,
        box_scores=scores,
        keypoints_xy=points,
        keypoint_scores=np.ones(points.shape[:2], np.float32),
    )
