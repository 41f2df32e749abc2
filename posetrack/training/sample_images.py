"""Sample images of a training: crops, what is true in them and what the network says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.data.crop import transform_points
from models.data.samples import FloatArray
from models.hrnet.dataset import PoseDataset
from posetrack.errors import ResultsError
from posetrack.frame import Frame, ImageArray, Instances
from posetrack.render import Renderer, RenderStyle
from posetrack.skeleton import Skeleton

_COLUMNS = 6


def write_sample_images(
    dataset: PoseDataset, keypoints_xy: FloatArray, scores: FloatArray, skeleton: Skeleton, path: Path
) -> None:
    """Draw people side by side: on the left of each pair the true keypoints, on the right the predicted ones.

    Args:
        dataset: N people, without augmentation.
        keypoints_xy: (N, K, 2) predicted, pixels of the images.
        scores: (N, K).
        skeleton: What to draw.
        path: A JPEG or PNG file; its folder is made.

    Raises:
        ResultsError: The file cannot be written.
    """
    predicted = transform_points(keypoints_xy, dataset.crop_matrices())
    pairs = []
    for i in range(len(dataset)):
        sample = dataset[(0, i)]
        truth = _draw(sample["image"], sample["keypoints_xy"], sample["weights"], skeleton)
        pairs.append(np.hstack([truth, _draw(sample["image"], predicted[i], scores[i], skeleton)]))
    pairs += [np.zeros_like(pairs[0])] * (-len(pairs) % _COLUMNS)
    rows = [np.hstack(pairs[i : i + _COLUMNS]) for i in range(0, len(pairs), _COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)):
        raise ResultsError(f"{path}: cannot be written; is the disk full?")


def _draw(crop: ImageArray, keypoints_xy: FloatArray, scores: FloatArray, skeleton: Skeleton) -> ImageArray:
    # Crops count from the middle of the first pixel, frames from its corner.
    people = Instances(
        boxes_xyxy=np.array([[0, 0, crop.shape[1], crop.shape[0]]], np.float32),
        box_scores=np.ones(1, np.float32),
        keypoints_xy=(keypoints_xy + 0.5)[None].astype(np.float32),
        keypoint_scores=np.clip(scores, 0, 1)[None].astype(np.float32),
    )
    style = RenderStyle(boxes=False, ids=False, trails=False)
    return Renderer(skeleton, style)(Frame(0, 0.0, crop, people))
