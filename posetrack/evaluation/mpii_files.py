"""Reading of MPII annotations and predictions, from MATLAB files in HRNet's layout or from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import ResultsError
from posetrack.evaluation.mat_files import read_mat
from posetrack.frame import to_matlab_indices
from posetrack.json_fields import read_json
from posetrack.skeleton import MPII_16

DoubleArray = npt.NDArray[np.float64]

_MAT_SUFFIX = ".mat"
_FIELDS = ("jnt_missing", "pos_gt_src", "headboxes_src")
_NUM_JOINTS = MPII_16.num_keypoints
# Names of the joints in gt_valid.mat, in the order of MPII_16; None for those that are not checked.
_MAT_JOINTS = (
    *("rank", "rkne", "rhip", "lhip", "lkne", "lank"),
    *(None, None, None, "head"),
    *("rwri", "relb", "rsho", "lsho", "lelb", "lwri"),
)


@dataclass(frozen=True)
class MpiiTruth:
    """Annotations of N people. Pixels are MATLAB's: the centre of the first is 1.

    Attributes:
        keypoints_xy: (N, 16, 2), pixels from 1, in the order of `MPII_16`; finite, also for joints that are not
            annotated.
        annotated: (N, 16) bool.
        head_diagonals_px: (N,), of the head box; above 0 for people with an annotated joint.
    """

    keypoints_xy: DoubleArray
    annotated: npt.NDArray[np.bool_]
    head_diagonals_px: DoubleArray


def read_mpii_truth(path: Path | str) -> MpiiTruth:
    """Read MPII annotations; coordinates are MATLAB's, from 1.

    `gt_valid.mat`, which comes with HRNet and SimpleBaseline, has `jnt_missing` (16, N), `pos_gt_src`
    (16, 2, N), `headboxes_src` (2, 2, N) as (corner, x and y, person), and optionally `dataset_joints`, the 16
    names. JSON has either one object with these fields, or a list with one object per person:

        [{"joints": [[x, y], ...], "joints_vis": [1, 0, ...], "headbox": [x1, y1, x2, y2]}, ...]

    with 16 joints in the order of `MPII_16`. A joint that is missing (`joints_vis` 0) may have any numbers.

    Args:
        path: A `.mat` or a JSON file.

    Returns:
        The annotations.

    Raises:
        ResultsError: The file cannot be read, or does not hold what it should.
    """
    path = Path(path)
    if path.suffix.lower() == _MAT_SUFFIX:
        return _make_truth(read_mat(path, (*_FIELDS, "dataset_joints")), str(path))
    content = read_json(path)
    if isinstance(content, Mapping):
        return _make_truth(content, str(path))
    if not isinstance(content, list) or not content:
        raise ResultsError(f"{path}: expected a list of people, or an object with {', '.join(_FIELDS)}")
    joints, seen, boxes = [], [], []
    for i, person in enumerate(content):
        where = f"{path}: [{i}]"
        if not isinstance(person, Mapping):
            raise ResultsError(f"{where}: expected an object with joints, joints_vis and headbox")
        joints.append(_take_array(person, "joints", where, (_NUM_JOINTS, 2)))
        seen.append(_take_flags(person, "joints_vis", where, (_NUM_JOINTS,)))
        boxes.append(_take_array(person, "headbox", where, (4,)))
    corners = np.stack(boxes).reshape(-1, 2, 2)
    return _check_truth(np.stack(joints), np.stack(seen), corners, str(path))


def read_mpii_predictions(path: Path | str, num_people: int, *, is_zero_based: bool = False) -> DoubleArray:
    """Read predicted poses, in the order of the annotations and of `MPII_16`.

    Coordinates are MATLAB's, from 1: HRNet adds 1 to its own before it saves `pred.mat`.

    Args:
        path: A `.mat` with `preds` (N, 16, 2 or 3), or JSON: a list of N poses, or an object with `preds`.
        num_people: N, the number of annotated people.
        is_zero_based: Whether pixels in the file count from 0; then 1 is added.

    Returns:
        Pixels from 1, (N, 16, 2).

    Raises:
        ResultsError: The file cannot be read, or does not hold what it should.
    """
    path = Path(path)
    content = read_mat(path, ("preds",)) if path.suffix.lower() == _MAT_SUFFIX else read_json(path)
    if isinstance(content, list):
        content = {"preds": content}
    if not isinstance(content, Mapping):
        raise ResultsError(f"{path}: expected a list of poses, or an object with preds")
    poses = _take_array(content, "preds", str(path), (None, _NUM_JOINTS, None))
    if poses.shape[2] not in (2, 3):
        raise ResultsError(f"{path}: preds: expected x, y and perhaps a score, found {poses.shape[2]} numbers")
    if len(poses) != num_people:
        raise ResultsError(
            f"{path}: preds: {len(poses)} poses for {num_people} annotated people; give each one, in order"
        )
    is_finite = np.isfinite(poses[..., :2]).all(axis=2)
    if not is_finite.all():
        person, joint = np.argwhere(~is_finite)[0]
        raise ResultsError(
            f"{path}: preds[{person}][{joint}] ({MPII_16.names[joint]}): NaN or infinity; give its coordinates"
        )
    xy = poses[..., :2]
    return to_matlab_indices(xy) if is_zero_based else xy


def _make_truth(fields: Mapping[str, Any], where: str) -> MpiiTruth:
    """From the fields of `gt_valid.mat`."""
    _check_joint_names(fields.get("dataset_joints"), where)
    missing = _take_flags(fields, "jnt_missing", where, (_NUM_JOINTS, None))
    num_people = missing.shape[1]
    keypoints_xy = _take_array(fields, "pos_gt_src", where, (_NUM_JOINTS, 2, num_people))
    corners = _take_array(fields, "headboxes_src", where, (2, 2, num_people))
    return _check_truth(keypoints_xy.transpose(2, 0, 1), ~missing.T, corners.transpose(2, 0, 1), where)


def _check_joint_names(joints: object, where: str) -> None:
    """Check the order of the joints; `loadmat` returns a cell array of texts, JSON a list."""
    if joints is None:
        return
    names = [
        str(np.asarray(each).ravel()[0]).strip() for each in np.asarray(joints, object).ravel() if np.size(each)
    ]
    for position, expected in enumerate(_MAT_JOINTS):
        found = names[position] if position < len(names) else "nothing"
        if expected is not None and found != expected:
            raise ResultsError(
                f"{where}: dataset_joints[{position}]: expected '{expected}', found '{found}'; put "
                "the joints into MPII's order"
            )


def _check_truth(
    keypoints_xy: DoubleArray, annotated: npt.NDArray[np.bool_], corners_xy: DoubleArray, where: str
) -> MpiiTruth:
    """Make checked annotations, with head boxes from corners (N, 2, 2) as (person, corner, x and y)."""
    if not annotated.any():
        raise ResultsError(f"{where}: no joint is annotated; nothing to evaluate")
    unknown = annotated & ~np.isfinite(keypoints_xy).all(axis=2)
    if unknown.any():
        person, joint = np.argwhere(unknown)[0]
        raise ResultsError(
            f"{where}: person {person} (from 0), {MPII_16.names[joint]}: annotated, but its place is NaN or "
            "infinite; mark it missing"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        diagonals_px = np.linalg.norm(corners_xy[:, 1] - corners_xy[:, 0], axis=1)
    headless = annotated.any(axis=1) & ~(np.isfinite(diagonals_px) & (diagonals_px > 0))
    if headless.any():
        raise ResultsError(
            f"{where}: person {int(np.argmax(headless))} (from 0): the head box has no size; distances are "
            "measured in head sizes"
        )
    return MpiiTruth(np.where(annotated[..., None], keypoints_xy, 0.0), annotated, diagonals_px)


def _take_flags(
    fields: Mapping[str, Any], key: str, where: str, shape: tuple[int | None, ...]
) -> npt.NDArray[np.bool_]:
    flags = _take_array(fields, key, where, shape)
    if not np.isin(flags, (0, 1)).all():
        raise ResultsError(f"{where}: {key}: expected nothing but 0 and 1")
    return flags.astype(np.bool_)


def _take_array(fields: Mapping[str, Any], key: str, where: str, shape: tuple[int | None, ...]) -> DoubleArray:
    """Read an array of numbers; None in its shape means any size from 1 up."""
    sizes = " x ".join("N" if size is None else str(size) for size in shape)
    value = fields.get(key)
    try:
        array = np.array(value)
    except ValueError:
        raise ResultsError(f"{where}: {key}: expected {sizes} numbers; their lists differ in length") from None
    if array.dtype.kind not in "iufb":
        found = "nothing" if value is None else "something else"
        raise ResultsError(f"{where}: {key}: expected {sizes} numbers, found {found}")
    fits = array.ndim == len(shape) and all(
        size > 0 and wanted in (None, size) for size, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        found = " x ".join(map(str, array.shape)) or "one"
        raise ResultsError(f"{where}: {key}: expected {sizes} numbers, found {found}")
    return array.astype(np.float64)
