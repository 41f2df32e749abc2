"""Parts of the body: the names of keypoints in public data sets, limbs, and OKS sigmas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FROM_THE_HEAD = (
    "nose",
    "eye",
    "ear",
    "head_top",
    "upper_neck",
    "neck",
    "thorax",
    "shoulder",
    "pelvis",
    "hip",
    "elbow",
    "wrist",
    "knee",
    "ankle",
    "heel",
    "big_toe",
    "small_toe",
)
"""Head and trunk first, then limbs, as in HigherHRNet's public code for COCO."""


def pair_up(*parts: str) -> tuple[tuple[str, str], ...]:
    """The left and right keypoints of these parts of the body, as pairs of names."""
    return tuple((f"left_{part}", f"right_{part}") for part in parts)


LIMBS = (
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)
"""The limbs that every skeleton here shares, from the shoulders outwards."""

TORSO = (
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_hip", "right_hip"),
)
FEET = tuple(
    (f"{side}_ankle", f"{side}_{part}")
    for side in ("left", "right")
    for part in ("heel", "big_toe", "small_toe")
)
FOOT_PAIRS = ("big_toe", "small_toe", "heel")
BODY_PAIRS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")

# COCO's own, measured from 5,000 doubly annotated people (cocodataset.org, keypoint evaluation; pycocotools
# `Params.kpt_oks_sigmas`). OKS uses k = 2 sigma.
_COCO_SIGMA = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
# CrowdPose's evaluation gives 0.079 to the head top and the neck; the other sets publish none for them.
_HEAD_SIGMA = {"head_top": 0.079, "neck": 0.079, "upper_neck": 0.079}
# MPII publishes no OKS sigmas: its pelvis has that of COCO's hip, its thorax that of COCO's shoulder.
_MPII_SIGMA = {"pelvis": 0.107, "thorax": 0.079}


# Halpe's evaluation (halpecocotools); OpenPose publishes no sigmas for its feet, which have Halpe's.
_FOOT_SIGMA = {"heel": 0.079, "big_toe": 0.079, "small_toe": 0.079}
HALPE_SIGMA = {"head_top": 0.026, "neck": 0.026, "pelvis": 0.066}
"""Sigmas of Halpe's evaluation where they are not those of the other sets."""

PART_SIGMAS = {**_COCO_SIGMA, **_HEAD_SIGMA, **_MPII_SIGMA, **_FOOT_SIGMA}
"""The OKS sigma of each part of the body."""


def name_part_of_body(keypoint: str) -> str:
    """The part of the body of a keypoint, without its side."""
    return keypoint.removeprefix("left_").removeprefix("right_")


def list_sigmas(names: Sequence[str], others: Mapping[str, float] = PART_SIGMAS) -> tuple[float, ...]:
    """The OKS sigmas of keypoints, by the part of the body of each.

    Args:
        names: K names; each is of one of `PART_SIGMAS`.
        others: Sigmas of parts in place of those.
    """
    table = {**PART_SIGMAS, **others}
    return tuple(table[name_part_of_body(name)] for name in names)


COCO_NAMES = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

POSETRACK_NAMES = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "neck",
    "nose",
    "head_top",
)

MPII_NAMES = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "thorax",
    "upper_neck",
    "head_top",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)

CROWDPOSE_NAMES = (
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "head_top",
    "neck",
)

BODY25_NAMES = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "pelvis",
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
    "left_big_toe",
    "left_small_toe",
    "left_heel",
    "right_big_toe",
    "right_small_toe",
    "right_heel",
)

HALPE_NAMES = (
    *COCO_NAMES,
    "head_top",
    "neck",
    "pelvis",
    "left_big_toe",
    "right_big_toe",
    "left_small_toe",
    "right_small_toe",
    "left_heel",
    "right_heel",
)
