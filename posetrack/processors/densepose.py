"""The processor that estimates the dense poses of everyone who has a box and none yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from posetrack.frame import NO_DENSE, BoolArray, Frame, ImageArray, Instances
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.networks import DenseEstimator


def complete_dense(estimator: DenseEstimator, *, batch_frames: int) -> FrameProcessor:
    """Make the processor of dense poses; it stands behind the tracker, so that propagated people get them too.

    Interpolated people get none, since no network found them in the image.

    Args:
        estimator: Called with the images and boxes of several frames at once.
        batch_frames: Largest number of frames held back for one call.

    Returns:
        A processor that fills in `dense` of each frame.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        held: list[Frame] = []
        wanted: list[BoolArray] = []
        for frame in frames:
            held.append(frame)
            wanted.append(_find_lacking(frame.instances))
            # Frames in which nobody lacks one only wait for those before them.
            if len(held) >= batch_frames or not any(rows.any() for rows in wanted):
                yield from _complete_frames(estimator, held, wanted)
                held, wanted = [], []
        yield from _complete_frames(estimator, held, wanted)

    return process


def _find_lacking(people: Instances) -> BoolArray:
    """Which people need a dense pose, (N,)."""
    lacking = np.ones(len(people), np.bool_)
    if people.boxes_xyxy is None:
        return np.zeros(len(people), np.bool_)
    if people.dense is not None:
        lacking &= np.array([pose.size == 0 for pose in people.dense], np.bool_)
    if people.is_interpolated is not None:
        lacking &= ~people.is_interpolated
    return lacking


def _complete_frames(
    estimator: DenseEstimator, frames: list[Frame], wanted: list[BoolArray]
) -> Iterator[Frame]:
    pairs = [
        (frame.image, frame.instances.boxes_xyxy[rows])
        for frame, rows in zip(frames, wanted, strict=True)
        if rows.any() and frame.instances.boxes_xyxy is not None
    ]
    found = iter(estimator([image for image, _ in pairs], [boxes for _, boxes in pairs]) if pairs else ())
    for frame, rows in zip(frames, wanted, strict=True):
        dense = _fill(frame.instances, rows, next(found) if rows.any() else ())
        yield replace(frame, instances=frame.instances.with_columns(dense=dense))


def _fill(people: Instances, rows: BoolArray, found: Sequence[ImageArray]) -> tuple[ImageArray, ...]:
    """The dense poses that people have, and those found for the others."""
    dense = [NO_DENSE] * len(people) if people.dense is None else list(people.dense)
    for row, pose in zip(np.flatnonzero(rows), found, strict=True):
        dense[row] = pose
    return tuple(dense)
