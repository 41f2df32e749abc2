"""PoseTrack evaluation of a folder of predictions against a folder of ground truth."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from glob import escape, glob
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from posetrack.annotations.read import read_annotations
from posetrack.edits.log import is_log
from posetrack.edits.read import read_edited
from posetrack.errors import ResultsError
from posetrack.evaluation.posetrack.average_precision import assign_poses, label_keypoints
from posetrack.evaluation.posetrack.frame_names import warn_of_names
from posetrack.evaluation.posetrack.hota import HotaMatches, compute_similarities
from posetrack.evaluation.posetrack.losses import LossAccumulator, classify_sizes
from posetrack.evaluation.posetrack.metrics import PoseTrackMetrics, SequenceCounts, add_counts, compute_metrics
from posetrack.evaluation.posetrack.mota import MotAccumulator, leave_unmatched
from posetrack.evaluation.posetrack.sequence import (
    Sequence,
    check_track_ids,
    drop_keypoints,
    pair_sequence,
)
from posetrack.frame import IntArray

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrackAssignment:
    """The predicted track of each true person in each frame, by AP's assignment of poses.

    Attributes:
        frame_index: (N,) position among the evaluated frames.
        true_tracks: (N,) number of the person's track in the ground truth.
        predicted_tracks: (N,) number of the predicted track, -1 where the person was missed.
        true_ids: The file's id of each track of the ground truth.
        predicted_ids: The file's id of each predicted track.
    """

    frame_index: IntArray
    true_tracks: IntArray
    predicted_tracks: IntArray
    true_ids: IntArray
    predicted_ids: IntArray


@dataclass(frozen=True, eq=False)
class SequenceEvaluation:
    """The evaluation of one sequence.

    Attributes:
        name: Name of the sequence.
        num_frames: Number of evaluated frames.
        counts: The counts from which the metrics are computed.
        assignment: The predicted track of each true person.
    """

    name: str
    num_frames: int
    counts: SequenceCounts
    assignment: TrackAssignment


@dataclass(frozen=True, eq=False)
class PoseTrackEvaluation:
    """The evaluation of a folder of sequences.

    Attributes:
        total: Metrics over all sequences.
        per_sequence: Metrics of each sequence by its name.
        sequences: The evaluations of the sequences.
    """

    total: PoseTrackMetrics
    per_sequence: dict[str, PoseTrackMetrics]
    sequences: tuple[SequenceEvaluation, ...]


@dataclass(frozen=True)
class Mode:
    """How predictions are evaluated.

    Attributes:
        corrected: Repair the reference tool's quirks instead of repeating them.
        min_keypoint_score: Predicted keypoints that score less are left out (`drop_keypoints`).
    """

    corrected: bool = False
    min_keypoint_score: float = 0.0


def evaluate_posetrack(
    truth_dir: Path,
    predictions_dir: Path,
    *,
    corrected: bool = False,
    num_workers: int = 1,
    raw: bool = False,
    min_keypoint_score: float = 0.0,
) -> PoseTrackEvaluation:
    """Evaluate every sequence of a folder.

    Args:
        truth_dir: Folder with one file per sequence, PoseTrack17 or PoseTrack18 (`.json`).
        predictions_dir: Folder with one file of the same name per sequence: PoseTrack17, PoseTrack18, or our
            own (`NAME.jsonl` or `NAME/poses.jsonl`).
        corrected: Repair the reference tool's quirks instead of repeating them.
        num_workers: Number of processes; with more than one the caller's script needs the `__main__` guard.
        raw: Leave out the edits that lie beside predictions of our own.
        min_keypoint_score: Predicted keypoints that score less are left out.

    Returns:
        The metrics.

    Raises:
        ResultsError: A folder or file is missing or not valid.
    """
    modes = (Mode(corrected, min_keypoint_score),)
    return evaluate_in_modes(truth_dir, predictions_dir, modes, num_workers=num_workers, raw=raw)[0]


def evaluate_in_modes(
    truth_dir: Path, predictions_dir: Path, modes: tuple[Mode, ...], *, num_workers: int = 1, raw: bool = False
) -> list[PoseTrackEvaluation]:
    """Evaluate in several modes, reading the files once.

    Args:
        truth_dir: As for `evaluate_posetrack`.
        predictions_dir: As for `evaluate_posetrack`.
        modes: At least one.
        num_workers: As for `evaluate_posetrack`.
        raw: As for `evaluate_posetrack`.

    Returns:
        The metrics of each mode.

    Raises:
        ResultsError: A folder or file is missing or not valid.
    """
    pairs = find_sequences(truth_dir, predictions_dir)
    return evaluate_files(pairs, modes, num_workers=num_workers, raw=raw)


def evaluate_files(
    pairs: list[tuple[Path, Path]], modes: tuple[Mode, ...], *, num_workers: int = 1, raw: bool = False
) -> list[PoseTrackEvaluation]:
    """Evaluate pairs of files in several modes.

    Args:
        pairs: The files of the ground truth and of the predictions of each sequence.
        modes: As for `evaluate_in_modes`, like the following ones.
        num_workers: Likewise.
        raw: Likewise.

    Returns:
        The metrics of each mode.

    Raises:
        ResultsError: A file is missing or not valid.
    """
    evaluate = partial(_evaluate_files, modes=modes, raw=raw)
    if num_workers > 1 and len(pairs) > 1:
        for _, predictions in pairs:
            if predictions.suffix == ".jsonl":
                read_edited(
                    predictions, raw=raw
                )  # Logs here that there are edits: other processes print nothing.
        with ProcessPoolExecutor(num_workers, mp_context=get_context("spawn")) as pool:
            sequences = list(pool.map(evaluate, pairs))
    else:
        sequences = [evaluate(pair) for pair in pairs]
    return [
        collect(of_mode, corrected=mode.corrected)
        for of_mode, mode in zip(zip(*sequences, strict=True), modes, strict=True)
    ]


def collect(sequences: Iterable[SequenceEvaluation], *, corrected: bool = False) -> PoseTrackEvaluation:
    """Compute the metrics of each sequence and of all together.

    Args:
        sequences: At least one.
        corrected: As they were evaluated.

    Returns:
        The evaluation.
    """
    sequences = tuple(sequences)
    return PoseTrackEvaluation(
        total=compute_metrics(add_counts([sequence.counts for sequence in sequences]), corrected=corrected),
        per_sequence={
            sequence.name: compute_metrics(sequence.counts, corrected=corrected)
            for sequence in sorted(sequences, key=lambda sequence: sequence.name)
        },
        sequences=sequences,
    )


def find_sequences(truth_dir: Path, predictions_dir: Path) -> list[tuple[Path, Path]]:
    """Pair the files of two folders by name, in the order in which the system lists the first folder.

    Predictions without ground truth are left out, as in the reference tool, with a logged warning.

    Raises:
        ResultsError: A folder is missing or has no files, or a sequence has no predictions.
    """
    for folder, what in ((truth_dir, "--gt"), (predictions_dir, "--pred")):
        if not folder.is_dir():
            raise ResultsError(f"{folder}: no such folder; {what} takes a folder with one file a sequence")
    # Unsorted, as in the reference tool: with equal scores, its AP depends on the order of the files.
    truths = [Path(name) for name in glob(f"{escape(str(truth_dir))}/*.json")]
    if not truths:
        raise ResultsError(f"{truth_dir}: no .json files in it; expected one PoseTrack file a sequence")
    pairs = [(truth, _find_predictions(truth.name, predictions_dir)) for truth in truths]
    missing = [truth.name for truth, predictions in pairs if predictions is None]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ResultsError(
            f"{predictions_dir}: no predictions for {missing[0]}{more}; expected a file of that name, "
            f"{Path(missing[0]).stem}.jsonl or {Path(missing[0]).stem}/poses.jsonl"
        )
    found = [(truth, predictions) for truth, predictions in pairs if predictions is not None]
    unmatched = set(predictions_dir.glob("*.json*")) - {predictions for _, predictions in found}
    unmatched = {path for path in unmatched if not is_log(path)}
    if unmatched:
        names = ", ".join(sorted(path.name for path in unmatched)[:3])
        _log.warning("%s: %d without ground truth left out: %s", predictions_dir, len(unmatched), names)
    return found


def _find_predictions(name: str, folder: Path) -> Path | None:
    stem = Path(name).stem
    for path in (folder / name, folder / f"{stem}.jsonl", folder / stem / "poses.jsonl"):
        if path.is_file():
            return path
    return None


def _evaluate_files(
    paths: tuple[Path, Path], *, modes: tuple[Mode, ...], raw: bool
) -> list[SequenceEvaluation]:
    truth_path, predictions_path = paths
    name = truth_path.stem
    truth = read_annotations(truth_path, name)
    predictions = read_annotations(predictions_path, name, raw=raw)
    # The reference tool checks for duplicate ids among the predictions only.
    check_track_ids(truth, str(truth_path), unique=False)
    check_track_ids(predictions, str(predictions_path), unique=True)
    if predictions_path.suffix == ".jsonl":
        # The frames of a run are numbered; the names that PoseTrack's formats need are made of the numbers.
        frames = tuple(replace(frame, file_name="") for frame in predictions.frames)
        predictions = replace(predictions, frames=frames)
    warn_of_names(truth, predictions, str(predictions_path), corrected=all(mode.corrected for mode in modes))
    evaluations = []
    for mode in modes:
        sequence = pair_sequence(
            truth,
            drop_keypoints(predictions, mode.min_keypoint_score),
            corrected=mode.corrected,
            truth_file=str(truth_path),
            predictions_file=str(predictions_path),
        )
        evaluations.append(evaluate_sequence(sequence, corrected=mode.corrected))
    return evaluations


def evaluate_sequence(sequence: Sequence, *, corrected: bool = False) -> SequenceEvaluation:
    """Evaluate one sequence, in one pass over its frames.

    Two quirks of the reference tool's MOTA are repeated here unless `corrected`: the last evaluated frame is
    left out, and a frame in which either side has no people counts as one object and one hypothesis per
    keypoint that do not match, whatever the other side has.

    Args:
        sequence: A cleaned sequence.
        corrected: Repair that.

    Returns:
        The counts from which the metrics are computed, and the assignment.
    """
    truth, predictions = sequence.truth, sequence.predictions
    annotated, present = truth.present, predictions.present
    assigned = np.full(len(predictions.frame_index), -1, np.int64)
    is_right = np.zeros_like(present)
    mot = MotAccumulator(truth.num_tracks, predictions.num_tracks, present.shape[1])
    hota, losses = HotaMatches(), LossAccumulator(present.shape[1])
    true_sizes, sizes = classify_sizes(truth.keypoints_xy), classify_sizes(predictions.keypoints_xy)
    for frame, pair in enumerate(sequence.frames()):
        true_rows, rows = pair.true_rows, pair.predicted_rows
        people = assign_poses(pair, annotated[true_rows])
        assigned[rows] = np.where(people >= 0, people + true_rows.start, -1)
        is_right[rows] = pair.matches[np.arange(len(people)), people] if pair.distances.size else False
        if not sequence.is_tracked:
            continue
        hota.update(truth.tracks[true_rows], predictions.tracks[rows], compute_similarities(pair.distances))
        if frame == sequence.num_frames - 1 and not corrected:
            continue
        if pair.distances.size:
            matched = mot.update(
                truth.tracks[true_rows],
                annotated[true_rows],
                predictions.tracks[rows],
                present[rows],
                pair.distances,
                pair.matches,
            )
            losses.update(true_sizes[true_rows], sizes[rows], matched)
        elif corrected:
            mot.count_unmatched(annotated[true_rows].sum(axis=0), present[rows].sum(axis=0))
            losses.update(
                true_sizes[true_rows], sizes[rows], leave_unmatched(annotated[true_rows], present[rows])
            )
        else:
            mot.count_unmatched(1, 1)
            losses.count_alone()
    counts = SequenceCounts(
        label_keypoints(sequence, assigned, is_right),
        mot.counts() if sequence.is_tracked else None,
        hota.counts(sequence) if sequence.is_tracked else None,
        losses.counts() if sequence.is_tracked else None,
    )
    return SequenceEvaluation(sequence.name, sequence.num_frames, counts, _follow(sequence, assigned))


def _follow(sequence: Sequence, assigned: IntArray) -> TrackAssignment:
    tracks = np.full(len(sequence.truth.tracks), -1, np.int64)
    found = assigned >= 0
    tracks[assigned[found]] = sequence.predictions.tracks[found]
    return TrackAssignment(
        frame_index=sequence.truth.frame_index,
        true_tracks=sequence.truth.tracks,
        predicted_tracks=tracks,
        true_ids=sequence.truth.track_ids,
        predicted_ids=sequence.predictions.track_ids,
    )
