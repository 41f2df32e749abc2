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
from trackers.flow_tracker import FlowTracker, FlowTrackerConfig, People


def track(
    config: FlowTrackerConfig,
    skeleton: Skeleton,
    *,
    estimator: PoseEstimator | None = None,
    look_at_images: bool = True,
) -> FrameProcessor:
    """Make the processor that assigns track ids.

    Args:
        config: Settings of the flow tracker.
        skeleton: Gives the OKS sigmas.
        estimator: Estimates the poses of people that the detector missed, in the boxes that flow predicts for
            them; without it nobody is propagated.
        look_at_images: Without, no optical flow is computed: for saved poses whose video is gone.

    Returns:
        A processor that keeps the tracked people of each frame with all their columns, and behind them the
        propagated people, with `track_ids`, and sets the frame's skeleton and background motion. The people of
        a restored frame keep their ids, and others are matched with them later.
    """

    def estimate_boxes(image: ImageArray, boxes_xyxy: FloatArray) -> tuple[FloatArray, FloatArray]:
        assert estimator is not None
        return estimator([image], [boxes_xyxy])[0]

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        tracker = FlowTracker(np.asarray(skeleton.sigmas, np.float32), config, find_clothes(skeleton))
        for frame in frames:
            image = frame.image if look_at_images else None
            instances = _complete(frame.instances, skeleton)
            people = People(**{field.name: getattr(instances, field.name) for field in fields(People)})
            if frame.is_restored and frame.instances.track_ids is not None:
                motion = tracker.adopt(
                    image, people, frame.instances.track_ids, time_s=frame.time_s, size_wh=frame.size_wh
                )
                yield replace(frame, skeleton=skeleton, background_motion=motion)
                continue
            estimate = None if estimator is None else estimate_boxes
            tracked = tracker.update(image, people, estimate, time_s=frame.time_s, size_wh=frame.size_wh)
            propagated = Instances(**vars(tracked.propagated))
            instances = Instances.concatenate([instances[tracked.rows], propagated])
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
