"""MOTA, IDF1 and HOTA of tracked boxes against MOTChallenge ground truth.

MOTA and MOTP: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT
Metrics", 2008. IDF1: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera
Tracking", 2016. Both are computed by py-motmetrics.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from models.extras import MissingPackageError
from posetrack.annotations.video import DoubleArray
from posetrack.evaluation.mot.files import TrackedBoxes, TrueBoxes, read_tracked_boxes, read_true_boxes
from posetrack.evaluation.mot.hota import FrameBoxes, count_box_hota
from posetrack.evaluation.posetrack.hota import HotaCounts, compute_hota
from posetrack.frame import BoolArray, IntArray
from trackers.nms import compute_double_iou

MIN_IOU = 0.5
SHORT_FRAMES = 8
"""Tracks of fewer frames are short."""

_UNCLEAR_IOU = 0.5
"""MOTChallenge's, whatever IoU is asked for: HOTA does not depend on that."""

_IGNORED_FRACTION = 0.5
"""A result of which at least this fraction lies in an ignored region does not count."""

_EPSILON = float(np.finfo(float).eps)
_log = logging.getLogger(__name__)
_MOT_COUNTS = ("num_false_positives", "num_misses", "num_switches", "num_objects", "num_predictions")
_MOT_FRACTIONS = ("mota", "motp", "idf1", "idp", "idr")


@dataclass(frozen=True)
class BoxMetrics:
    """Metrics of tracked boxes; fractions from 0 to 1 (MOTA has no lower bound), None where undefined.

    Attributes:
        mota: 1 - (misses + false positives + switches) / true boxes.
        idf1: F1 of boxes whose track is the one that is assigned to the person for the whole sequence.
        hota: Mean over 19 IoU thresholds of the geometric mean of `deta` and `assa`.
        deta: Detection accuracy.
        assa: Association accuracy.
        motp: Mean IoU of the matched boxes.
        idp: Precision of IDF1.
        idr: Recall of IDF1.
        switches: How often a person has another track than when last matched.
        ids: Tracks in the results.
        short_ids: Those of fewer than 8 frames.
        people: True tracks.
        false_positives: Tracked boxes without a person.
        misses: True boxes without a tracked one.
        true_boxes: Boxes of the ground truth that count.
        tracked_boxes: Boxes of the results that count.
    """

    mota: float | None
    idf1: float | None
    hota: float | None
    deta: float | None
    assa: float | None
    motp: float | None
    idp: float | None
    idr: float | None
    switches: int
    ids: int
    short_ids: int
    people: int
    false_positives: int
    misses: int
    true_boxes: int
    tracked_boxes: int

    def to_dict(self) -> dict[str, float | int | None]:
        """All metrics by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class BoxEvaluation:
    """The evaluation of some sequences.

    Attributes:
        pooled: Metrics over all boxes of all sequences, not the mean over sequences.
        per_sequence: Metrics of each sequence by its name.
    """

    pooled: BoxMetrics
    per_sequence: dict[str, BoxMetrics]


@dataclass(frozen=True, eq=False)
class _Counts:
    """What of a sequence adds up: py-motmetrics' dependencies, HOTA's counts, and numbers of tracks."""

    mot: dict[str, Any]
    hota: HotaCounts
    ids: int
    short_ids: int
    people: int


def evaluate_mot(
    pairs: Mapping[str, tuple[Path, Path]], *, min_iou: float = MIN_IOU, raw: bool = False
) -> BoxEvaluation:
    """Evaluate the results of some sequences.

    Frames without results count as missed.

    Args:
        pairs: The files of ground truth and results by the sequence's name; see `pair_sequences`.
        min_iou: Least IoU of a match for MOTA and IDF1, above 0. HOTA takes 0.05 to 0.95.
        raw: Leave out the edits that lie beside a `poses.jsonl`.

    Raises:
        MissingPackageError: py-motmetrics is not installed.
        ResultsError: A file is not valid.
    """
    import_motmetrics()
    read = (
        (name, read_true_boxes(truth), read_tracked_boxes(path, raw=raw))
        for name, (truth, path) in pairs.items()
    )
    return evaluate_boxes(read, min_iou=min_iou)


def evaluate_boxes(
    sequences: Iterable[tuple[str, TrueBoxes, TrackedBoxes]], *, min_iou: float = MIN_IOU
) -> BoxEvaluation:
    """Evaluate sequences: name, ground truth and results of each; see `evaluate_mot`."""
    counts = {}
    for name, truth, tracked in sequences:
        counts[name] = _count(truth, tracked, min_iou)
        _warn_of_longer_results(name, truth, tracked)
    return BoxEvaluation(
        pooled=_compute(list(counts.values())),
        per_sequence={name: _compute([counted]) for name, counted in counts.items()},
    )


def _warn_of_longer_results(name: str, truth: TrueBoxes, tracked: TrackedBoxes) -> None:
    last = truth.boxes.frames.max()
    more = np.unique(tracked.frames[tracked.frames > last])
    if len(more):
        _log.warning(
            "%s: the ground truth ends with frame %d; results in %d later frames count as false positives",
            name,
            last,
            len(more),
        )


def import_motmetrics() -> Any:
    """Import py-motmetrics.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        import motmetrics
    except ImportError as error:
        raise MissingPackageError("eval mot", "motmetrics", "mot") from error
    return motmetrics


def _count(truth: TrueBoxes, tracked: TrackedBoxes, min_iou: float) -> _Counts:
    motmetrics = import_motmetrics()
    people = truth.boxes[truth.is_counted]
    kept = tracked[~_find_neutral(truth, tracked)]
    true_ids, true_tracks = np.unique(people.track_ids, return_inverse=True)
    kept_ids, kept_tracks = np.unique(kept.track_ids, return_inverse=True)
    frames = []
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for true_rows, rows in _pair_frames(people, kept):
        iou = compute_double_iou(people.boxes_xyxy[true_rows], kept.boxes_xyxy[rows])
        frames.append(FrameBoxes(true_tracks[true_rows], kept_tracks[rows], iou))
        distances = np.where(iou >= min_iou - _EPSILON, 1 - iou, np.nan)
        accumulator.update(people.track_ids[true_rows], kept.track_ids[rows], distances)
    _, lengths = np.unique(tracked.track_ids, return_counts=True)
    return _Counts(
        mot=motmetrics.metrics.create().compute(
            accumulator, metrics=[*_MOT_COUNTS, *_MOT_FRACTIONS], return_dataframe=False, return_cached=True
        ),
        hota=count_box_hota(frames, len(true_ids), len(kept_ids)),
        ids=len(lengths),
        short_ids=int((lengths < SHORT_FRAMES).sum()),
        people=len(true_ids),
    )


def _compute(parts: Sequence[_Counts]) -> BoxMetrics:
    """Compute the metrics of some sequences together."""
    host = import_motmetrics().metrics.create()
    mot = host.compute_overall(
        [_drop_undefined(part.mot) for part in parts],
        metrics=[*_MOT_COUNTS, *_MOT_FRACTIONS],
        return_dataframe=False,
    )
    hota = compute_hota(
        HotaCounts(
            **{each.name: sum(getattr(part.hota, each.name) for part in parts) for each in fields(HotaCounts)}
        )
    )
    counts = {name: int(mot[name]) for name in _MOT_COUNTS}
    is_matched = counts["num_objects"] > counts["num_misses"]
    return BoxMetrics(
        **{name: _define(mot[name]) for name in ("mota", "idf1", "idp", "idr")},
        motp=_define(1 - mot["motp"]) if is_matched else None,
        **{name: _define(hota[name][0] / 100) for name in ("hota", "deta", "assa")},
        switches=counts["num_switches"],
        ids=sum(part.ids for part in parts),
        short_ids=sum(part.short_ids for part in parts),
        people=sum(part.people for part in parts),
        false_positives=counts["num_false_positives"],
        misses=counts["num_misses"],
        true_boxes=counts["num_objects"],
        tracked_boxes=counts["num_predictions"],
    )


def _drop_undefined(mot: dict[str, Any]) -> dict[str, Any]:
    """The same with an MOTP of 0 where nothing is matched, for it enters the pooled one with weight 0."""
    return {**mot, "motp": mot["motp"] if mot["num_detections"] else 0.0}


def _define(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _find_neutral(truth: TrueBoxes, tracked: TrackedBoxes) -> BoolArray:
    """Which results do not count, (N,): those matched to an unclear box, or unmatched in an ignored region.

    As in MOTChallenge's tool, all boxes of the ground truth take part in the matching.
    """
    is_neutral = np.zeros(len(tracked), bool)
    if not (truth.is_unclear | truth.is_ignored).any():
        return is_neutral
    for true_rows, rows in _pair_frames(truth.boxes, tracked):
        true_boxes, boxes = truth.boxes.boxes_xyxy[true_rows], tracked.boxes_xyxy[rows]
        iou = compute_double_iou(true_boxes, boxes)
        iou[iou < _UNCLEAR_IOU - _EPSILON] = 0
        matched, cols = linear_sum_assignment(iou, maximize=True)
        found = iou[matched, cols] > 0
        matched, cols = matched[found], cols[found]
        is_in_region = _find_inside(boxes, true_boxes[truth.is_ignored[true_rows]])
        is_in_region[cols] = (truth.is_unclear | truth.is_ignored)[true_rows][matched]
        is_neutral[rows] = is_in_region
    return is_neutral


def _find_inside(boxes_xyxy: DoubleArray, regions_xyxy: DoubleArray) -> BoolArray:
    """Which boxes (N, 4) lie in one of the regions (M, 4) by half of their area or more, (N,)."""
    overlaps = np.concatenate(
        [
            np.maximum(boxes_xyxy[:, None, :2], regions_xyxy[None, :, :2]),
            np.minimum(boxes_xyxy[:, None, 2:], regions_xyxy[None, :, 2:]),
        ],
        axis=2,
    )
    shared = np.prod(np.maximum(overlaps[..., 2:] - overlaps[..., :2], 0), axis=2)
    areas = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    return np.asarray(shared.max(axis=1, initial=0) >= np.maximum(_IGNORED_FRACTION * areas, _EPSILON))


def _pair_frames(truth: TrackedBoxes, tracked: TrackedBoxes) -> list[tuple[slice, slice]]:
    """The rows of each frame that has any, on either side."""
    numbers: IntArray = np.union1d(truth.frames, tracked.frames)
    edges = [
        (np.searchsorted(boxes.frames, numbers, "left"), np.searchsorted(boxes.frames, numbers, "right"))
        for boxes in (truth, tracked)
    ]
    (true_starts, true_ends), (starts, ends) = edges
    return [
        (slice(*true), slice(*rows))
        for true, rows in zip(
            zip(true_starts.tolist(), true_ends.tolist(), strict=True),
            zip(starts.tolist(), ends.tolist(), strict=True),
            strict=True,
        )
    ]
