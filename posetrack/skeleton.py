"""Skeletons: keypoint names, limbs, mirror pairs and OKS sigmas of the public data sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.body_parts import (
    BODY25_NAMES,
    BODY_PAIRS,
    COCO_NAMES,
    CROWDPOSE_NAMES,
    FEET,
    FOOT_PAIRS,
    FROM_THE_HEAD,
    HALPE_NAMES,
    HALPE_SIGMA,
    LIMBS,
    MPII_NAMES,
    POSETRACK_NAMES,
    TORSO,
    list_sigmas,
    name_part_of_body,
    pair_up,
)


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of one data set.

    >>> from posetrack.skeleton import COCO_17
    >>> COCO_17.num_keypoints, COCO_17.names[:3], COCO_17.edges[0]
    (17, ('nose', 'left_eye', 'right_eye'), ('nose', 'left_eye'))

    Attributes:
        name: Short name, as used in results files.
        names: K keypoint names, in the order of every keypoint array.
        edges: Limbs to draw, as pairs of keypoint names.
        flip_pairs: Left and right keypoints that swap in a mirrored image, as (left, right) names.
        sigmas: K OKS sigmas: the spread of human annotation relative to the square root of the person's area.
        grouped: Positions of all keypoints in the order in which bottom-up networks' are grouped, where that is
            not from the head outwards; empty where it is.

    Raises:
        ValueError: A name occurs twice, a limb or pair has an unknown name, or the counts differ.
    """

    name: str
    names: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    flip_pairs: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]
    grouped: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"skeleton {self.name}: a keypoint name stands twice")
        if len(self.sigmas) != len(self.names):
            raise ValueError(f"skeleton {self.name}: {len(self.names)} keypoints but {len(self.sigmas)} sigmas")
        unknown = {name for pair in (*self.edges, *self.flip_pairs) for name in pair} - set(self.names)
        if unknown:
            raise ValueError(f"skeleton {self.name}: no such keypoint: {', '.join(sorted(unknown))}")
        if self.grouped and sorted(self.grouped) != list(range(len(self.names))):
            raise ValueError(f"skeleton {self.name}: the order of grouping has not each keypoint once")

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints, K."""
        return len(self.names)

    @property
    def edge_index(self) -> tuple[tuple[int, int], ...]:
        """Limbs as pairs of positions in `names`."""
        return tuple((self.names.index(a), self.names.index(b)) for a, b in self.edges)

    @property
    def flip_index(self) -> tuple[int, ...]:
        """For each keypoint, the position of its mirror image, (K,)."""
        mirror = {a: b for left, right in self.flip_pairs for a, b in ((left, right), (right, left))}
        return tuple(self.names.index(mirror.get(name, name)) for name in self.names)

    @property
    def grouping_order(self) -> tuple[int, ...]:
        """Positions of all keypoints in the order of grouping in bottom-up pose (K,).

        From the head outwards, which of COCO's is the order of HigherHRNet's public code; CrowdPose's have an
        order of their own. Keypoints of other names than the public sets have follow in their own order.
        """
        if self.grouped:
            return self.grouped
        rank = {name: i for i, name in enumerate(FROM_THE_HEAD)}
        parts = [name_part_of_body(name) for name in self.names]
        return tuple(sorted(range(len(parts)), key=lambda i: rank.get(parts[i], len(rank))))

    def side_of(self, name: str) -> str:
        """The side of the body of a keypoint: `left`, `right` or `middle`."""
        for side in ("left", "right"):
            if name.startswith(f"{side}_"):
                return side
        return "middle"


COCO_17 = Skeleton(
    name="coco17",
    names=COCO_NAMES,
    edges=(
        ("nose", "left_eye"),
        ("nose", "right_eye"),
        ("left_eye", "left_ear"),
        ("right_eye", "right_ear"),
        *TORSO,
        *LIMBS,
    ),
    flip_pairs=pair_up("eye", "ear", *BODY_PAIRS),
    sigmas=list_sigmas(COCO_NAMES),
)
"""COCO keypoints (Lin et al., ECCV 2014)."""

POSETRACK_15 = Skeleton(
    name="posetrack15",
    names=POSETRACK_NAMES,
    edges=(
        ("head_top", "nose"),
        ("nose", "neck"),
        ("neck", "left_shoulder"),
        ("neck", "right_shoulder"),
        *TORSO[1:],
        *LIMBS,
    ),
    flip_pairs=pair_up(*BODY_PAIRS),
    sigmas=list_sigmas(POSETRACK_NAMES),
)
"""PoseTrack 2017/2018 joints in the order of the `poseval` tool; `neck` is its `head_bottom`."""

MPII_16 = Skeleton(
    name="mpii16",
    names=MPII_NAMES,
    edges=(
        ("head_top", "upper_neck"),
        ("upper_neck", "thorax"),
        ("thorax", "left_shoulder"),
        ("thorax", "right_shoulder"),
        ("thorax", "pelvis"),
        ("pelvis", "left_hip"),
        ("pelvis", "right_hip"),
        *LIMBS,
    ),
    flip_pairs=pair_up(*BODY_PAIRS),
    sigmas=list_sigmas(MPII_NAMES),
)
"""MPII Human Pose (Andriluka et al., CVPR 2014)."""

# The public codes of HigherHRNet and SWAHR take COCO's positions, as far as there are 14, for CrowdPose's too:
# so the right ankle and the head come before the right hip. Published networks were evaluated so.
_CROWDPOSE_GROUPED = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13)
CROWDPOSE_14 = Skeleton(
    name="crowdpose14",
    names=CROWDPOSE_NAMES,
    edges=(
        ("head_top", "neck"),
        ("neck", "left_shoulder"),
        ("neck", "right_shoulder"),
        *TORSO[1:],
        *LIMBS,
    ),
    flip_pairs=pair_up(*BODY_PAIRS),
    sigmas=list_sigmas(CROWDPOSE_NAMES),
    grouped=_CROWDPOSE_GROUPED,
)
"""CrowdPose (Li et al., CVPR 2019); sigmas of its public evaluation."""

_FACE = COCO_17.edges[:4]
_SPINE = (
    ("neck", "left_shoulder"),
    ("neck", "right_shoulder"),
    ("neck", "pelvis"),
    ("pelvis", "left_hip"),
    ("pelvis", "right_hip"),
)
BODY_25 = Skeleton(
    name="body25",
    names=BODY25_NAMES,
    edges=(*_FACE, ("nose", "neck"), *_SPINE, *LIMBS, *FEET),
    flip_pairs=pair_up("eye", "ear", *BODY_PAIRS, *FOOT_PAIRS),
    sigmas=list_sigmas(BODY25_NAMES),
)
"""OpenPose's BODY_25 (Cao et al., TPAMI 2019); `pelvis` is its MidHip."""

HALPE_26 = Skeleton(
    name="halpe26",
    names=HALPE_NAMES,
    edges=(*_FACE, ("head_top", "neck"), ("nose", "neck"), *_SPINE, *LIMBS, *FEET),
    flip_pairs=pair_up("eye", "ear", *BODY_PAIRS, *FOOT_PAIRS),
    sigmas=list_sigmas(HALPE_NAMES, HALPE_SIGMA),
)
"""The body and the feet of Halpe (Fang et al., TPAMI 2022); `head_top` is its Head, `pelvis` its Hip."""

SKELETONS = {
    skeleton.name: skeleton for skeleton in (COCO_17, POSETRACK_15, MPII_16, CROWDPOSE_14, BODY_25, HALPE_26)
}
"""The built-in skeletons by their names in results files."""


def find_by_count(num_keypoints: int) -> Skeleton | None:
    """The built-in skeleton with so many keypoints; None where there is none. No two have as many."""
    found = (skeleton for skeleton in SKELETONS.values() if skeleton.num_keypoints == num_keypoints)
    return next(found, None)


def convert_coco17_to_posetrack15(
    keypoints_xy: npt.NDArray[np.float32], keypoint_scores: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Convert COCO's 17 keypoints to PoseTrack's 15.

    The neck is the middle of the shoulders and the head top the mirror image of the neck through the nose;
    both take the mean shoulder score (DetectAndTrack, Girdhar et al., CVPR 2018, and its public code).

    Args:
        keypoints_xy: (N, 17, 2), pixels.
        keypoint_scores: (N, 17).

    Returns:
        Keypoints (N, 15, 2) in the order of `POSETRACK_15`, and their scores (N, 15).

    Raises:
        ValueError: There are not 17 keypoints.
    """
    if keypoints_xy.shape[1:] != (17, 2):
        raise ValueError(f"expected COCO keypoints of shape (N, 17, 2), got {keypoints_xy.shape}")
    column = {name: i for i, name in enumerate(COCO_17.names)}
    shoulders = [column["left_shoulder"], column["right_shoulder"]]
    neck_xy = keypoints_xy[:, shoulders].mean(axis=1)
    shoulder_scores = keypoint_scores[:, shoulders].mean(axis=1)
    made_xy = {"neck": neck_xy, "head_top": 2 * keypoints_xy[:, column["nose"]] - neck_xy}
    xy = [made_xy[name] if name in made_xy else keypoints_xy[:, column[name]] for name in POSETRACK_15.names]
    scores = [
        shoulder_scores if name in made_xy else keypoint_scores[:, column[name]] for name in POSETRACK_15.names
    ]
    return np.stack(xy, axis=1), np.stack(scores, axis=1)
