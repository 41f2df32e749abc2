"""Keypoints of one skeleton as those of a format, found by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.body_parts import BODY25_NAMES, POSETRACK_NAMES
from posetrack.frame import FloatArray
from posetrack.results.people import ConvertKeypoints
from posetrack.skeleton import SKELETONS, Skeleton

OPENPOSE_18_NAMES = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_eye",
    "left_eye",
    "right_ear",
    "left_ear",
)
"""The order of OpenPose's COCO model (`POSE_COCO_BODY_PARTS` of its documentation, doc/output.md)."""

_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "pelvis": ("left_hip", "right_hip")}
"""Keypoints that lie in the middle of two others, where a skeleton does not have them."""

_REMEMBERED = 64

Combine = Callable[..., npt.NDArray[np.floating[Any]]]


@lru_cache(maxsize=_REMEMBERED)
def find_posetrack_conversion(skeleton: Skeleton) -> ConvertKeypoints | None:
    """How keypoints become PoseTrack's 15; None where some are missing.

    A missing neck is the middle of the shoulders, a missing head top the mirror image of the neck through the
    nose; their scores are the mean of the shoulders' (`convert_coco17_to_posetrack15`).

    Args:
        skeleton: The skeleton.
    """
    if "head_top" in skeleton.names:
        return _make_conversion(skeleton, POSETRACK_NAMES, np.mean)
    top = POSETRACK_NAMES.index("head_top")
    convert = _make_conversion(skeleton, [name for name in POSETRACK_NAMES if name != "head_top"], np.mean)
    if convert is None:
        return None
    nose, neck = (POSETRACK_NAMES.index(name) for name in ("nose", "neck"))

    def convert_with_top(xy: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        points, point_scores = convert(xy, scores)
        head_top = 2 * points[:, nose] - points[:, neck]
        return (
            np.insert(points, top, head_top, axis=1),
            np.insert(point_scores, top, point_scores[:, neck], axis=1),
        )

    return convert_with_top


def choose_openpose_names(skeleton: Skeleton) -> tuple[str, ...]:
    """The keypoints of the model of OpenPose that a skeleton has: BODY_25 with feet, else its COCO model.

    Neck and pelvis lie between the shoulders and the hips, where the skeleton does not have them.
    """
    has_feet = _make_conversion(skeleton, BODY25_NAMES, np.min) is not None
    return BODY25_NAMES if has_feet else OPENPOSE_18_NAMES


@lru_cache(maxsize=_REMEMBERED)
def find_openpose_conversion(skeleton: Skeleton) -> ConvertKeypoints | None:
    """How keypoints become those of `choose_openpose_names`; None where some are missing.

    A point in the middle of two has the lower of their scores.

    Args:
        skeleton: The skeleton.
    """
    return _make_conversion(skeleton, choose_openpose_names(skeleton), np.min)


def list_able(find: Callable[[Skeleton], ConvertKeypoints | None]) -> str:
    """Names of the built-in skeletons that have a conversion, for messages."""
    return ", ".join(name for name, skeleton in SKELETONS.items() if find(skeleton) is not None)


def _make_conversion(skeleton: Skeleton, wanted: Sequence[str], combine: Combine) -> ConvertKeypoints | None:
    """Find keypoints by name, or the two that a keypoint lies between; `combine` gives the score of these."""
    place = {name: i for i, name in enumerate(skeleton.names)}
    sources = [(name, name) if name in place else _MIDDLES.get(name, (name, name)) for name in wanted]
    if not all(name in place for source in sources for name in source):
        return None
    first, last = (np.array([place[source[end]] for source in sources]) for end in (0, 1))

    def convert(xy: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        points = np.stack([xy[:, first], xy[:, last]]).mean(axis=0)
        both = np.stack([scores[:, first], scores[:, last]])
        # Nothing lies between a keypoint and one that is not there.
        return points, np.where((both > 0).all(axis=0), combine(both, axis=0), 0).astype(scores.dtype)

    return convert
