"""Networks on MPII's images: the people and their boxes, and the poses as the benchmark takes them.

Source: the reader and the test of HRNet's public code, which `models.data.mpii` follows: boxes are squares of
the annotated scale, and people are compared one by one, so that similar poses all count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.data.image_files import ImageFile, check_images
from models.data.mpii import read_mpii_samples
from models.data.samples import PoseSamples, list_rows
from posetrack.errors import ResultsError
from posetrack.evaluation.mpii_files import MpiiTruth, read_mpii_truth
from posetrack.frame import Instances, to_matlab_indices, to_pixel_indices
from posetrack.results.files import open_whole_bytes

DoubleArray = npt.NDArray[np.float64]

TRUTH_FILE = "gt_valid.mat"
"""The annotations with head boxes that HRNet and SimpleBaseline have beside `valid.json`."""
PREDICTIONS_FILE = "pred.mat"
"""The file of poses that their tests write."""


@dataclass(frozen=True, eq=False)
class MpiiImages:
    """MPII's people, and the images that they are in.

    Attributes:
        samples: N people.
        images: Image number -> file, checked.
        boxes: Image number -> the boxes of its people, in the order of `samples`.
        truth: Annotations of the N people; None of the test set.
    """

    samples: PoseSamples
    images: Mapping[int, ImageFile]
    boxes: Mapping[int, Instances]
    truth: MpiiTruth | None


def read_mpii_images(path: Path, folder: Path, first: int | None = None) -> MpiiImages:
    """Read MPII's people, and check their images.

    Args:
        path: `annot/valid.json` of HRNet and SimpleBaseline, with `gt_valid.mat` beside it; or people with a
            `headbox` each; or people without joints, as of the test set.
        folder: Folder of the images.
        first: Only the people of the first images, of this number; None for all.

    Raises:
        DataError: People or images are missing or not valid.
        ResultsError: The annotations are not valid, or of another number of people.
    """
    samples = read_mpii_samples(path, folder)
    truth = _read_truth(path, samples)
    if first is not None and first < len(samples.images):
        kept = samples.image_index < first
        samples = samples.select_images(np.arange(first))
        truth = None if truth is None else _select(truth, kept)
    if not len(samples):
        raise ResultsError(f"{path}: no people; nothing to estimate")
    # MATLAB, which they were annotated with, does not turn images.
    files = check_images(list(samples.images), str(path), upright_if_unknown=False)
    return MpiiImages(samples, dict(enumerate(files)), collect_mpii_boxes(samples), truth)


def collect_mpii_boxes(samples: PoseSamples) -> dict[int, Instances]:
    """Collect the boxes of MPII's people by image number, all of them and in order."""
    return {
        number: Instances(boxes_xyxy=samples.boxes_xyxy[rows], box_scores=samples.scores[rows])
        for number, rows in list_rows(samples).items()
        if len(rows)
    }


def collect_mpii_poses(samples: PoseSamples, predicted: Iterable[tuple[int, Instances]]) -> DoubleArray:
    """Collect predicted poses in the order of the people.

    Args:
        samples: N people.
        predicted: Image numbers and their people, one for each box and in order.

    Returns:
        (N, 16, 2), pixels from 1 as MATLAB counts; 0 for people of images that were not predicted.
    """
    keypoints_xy = np.zeros(samples.keypoints_xy.shape, np.float64)
    rows = list_rows(samples)
    for number, people in predicted:
        assert people.keypoints_xy is not None
        keypoints_xy[rows[number]] = to_matlab_indices(to_pixel_indices(people.keypoints_xy))
    return keypoints_xy


def write_mpii_predictions(keypoints_xy: DoubleArray, path: Path) -> None:
    """Write poses (N, 16, 2), pixels from 1, as HRNet's `pred.mat`.

    Raises:
        ResultsError: The file cannot be written.
    """
    from scipy.io import savemat

    with open_whole_bytes(path) as file:
        savemat(file, {"preds": keypoints_xy})


def _read_truth(path: Path, samples: PoseSamples) -> MpiiTruth | None:
    if not (samples.weights > 0).any():
        return None
    beside = path.with_name(TRUTH_FILE)
    found = beside if beside.is_file() else path
    truth = read_mpii_truth(found)
    if len(truth.annotated) != len(samples):
        raise ResultsError(
            f"{found}: {len(truth.annotated)} people, but {path} has {len(samples)}; give the annotations of "
            "the same set"
        )
    return truth


def _select(truth: MpiiTruth, kept: npt.NDArray[np.bool_]) -> MpiiTruth:
    return replace(
        truth,
        keypoints_xy=truth.keypoints_xy[kept],
        annotated=truth.annotated[kept],
        head_diagonals_px=truth.head_diagonals_px[kept],
    )
