"""OKS-NMS as applied before evaluation in papers on pose estimation in images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posetrack.frame import FloatArray, IntArray
from trackers.nms import oks_nms

# OKS_THRE of the public code.
_MAX_OKS = 0.9


def suppress_alike(
    keypoints_xy: FloatArray, scores: FloatArray, areas_px2: FloatArray, sigmas: Sequence[float]
) -> IntArray:
    """Suppress poses of one image that are too similar to a higher-scoring one (Papandreou et al., CVPR 2017).

    Source: the public code of Sun et al., CVPR 2019: all keypoints count, and a person's area is that of the
    region that is cut out for the network (`models.data.crop.compute_region_areas`).

    Args:
        keypoints_xy: (N, K, 2) predicted, pixels.
        scores: (N,) of the poses.
        areas_px2: (N,) of the regions.
        sigmas: (K,), OKS sigmas of the keypoints.

    Returns:
        The rows that remain, ascending.
    """
    stay = oks_nms(
        keypoints_xy,
        np.ones(keypoints_xy.shape[:2], bool),
        scores,
        areas_px2=areas_px2,
        sigmas=np.asarray(sigmas, np.float32),
        max_oks=_MAX_OKS,
    )
    return np.sort(stay)
