"""Which keypoints of a skeleton surround the clothes by which people are recognised."""

from __future__ import annotations

from posetrack.skeleton import Skeleton
from trackers.appearance import Corners

_TORSO = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
_THIGHS = ("left_hip", "right_hip", "right_knee", "left_knee")


def find_clothes(skeleton: Skeleton) -> tuple[Corners, Corners] | None:
    """Indices of the keypoints around torso and thighs, see `trackers.appearance.describe_clothes`.

    Returns:
        None where the skeleton lacks one of them.
    """
    if not {*_TORSO, *_THIGHS} <= set(skeleton.names):
        return None
    (a, b, c, d), (e, f, g, h) = ([skeleton.names.index(name) for name in part] for part in (_TORSO, _THIGHS))
    return (a, b, c, d), (e, f, g, h)
