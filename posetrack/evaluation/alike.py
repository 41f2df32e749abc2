"""OKS-NMS as papers on pose in images apply it before they measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posetrack.frame import FloatArray, IntArray
from trackers.nms import oks_nms

# The public code's OKS_THRE.
_MAX_OKS = 0.9


def suppress_alike(
    keypoints_xy: FloatArray, scores: FloatArray, areas_px2: FloatArray, sigmas: Sequence[float]
) -> IntArray:
    """Leave out poses of one image that are too much like a higher-scoring one (Papandreou et al., CVPR 2017).

    Source: the public code of Sun et al., CVPR 2019: all keypoints count, and a person's size is that of the
    region that the network saw (`models.data.crop.compute_region_areas`).

    Args:
        keypoints_xy: (N, K, 2) predicted, pixels.
        scores: (N,) of the poses.
        areas_px2: (N,).
        sigmas: (K,), OKS sigmas of the keypoints.

    Returns:
        The rows that stay, rising.
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
