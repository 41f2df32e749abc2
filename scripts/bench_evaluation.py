"""Time the PoseTrack evaluation as the command line does it: 50 sequences of 100 frames with 10 people.

Run: python scripts/bench_evaluation.py [--sequences 50] [--frames 100] [--people 10] [--year 17] [--workers N]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posetrack.annotations.posetrack17 import encode_posetrack17
from posetrack.annotations.posetrack18 import encode_posetrack18
from posetrack.annotations.read import read_annotations
from posetrack.annotations.video import AnnotatedFrame, AnnotatedPeople, AnnotatedVideo
from posetrack.cli.eval.posetrack import choose_num_workers
from posetrack.evaluation.posetrack.evaluate import (
    collect,
    evaluate_posetrack,
    evaluate_sequence,
    find_sequences,
)
from posetrack.evaluation.posetrack.sequence import pair_sequence
from posetrack.frame import IntArray
from posetrack.skeleton import POSETRACK_15

WANTED_S = 10.0
HEAD_SIDE_PX = 40
IMAGE_WH = (1920, 1080)

ENCODERS = {17: encode_posetrack17, 18: encode_posetrack18}

Array = npt.NDArray[np.float64]


def main() -> None:
    """Print the seconds of the whole evaluation and of its parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("sequences", 50), ("frames", 100), ("people", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--year", type=int, choices=(17, 18), default=17)
    parser.add_argument("--workers", type=int, help="by default as the command line chooses")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        truth_dir, predictions_dir = Path(folder, "gt"), Path(folder, "pred")
        for directory in (truth_dir, predictions_dir):
            directory.mkdir()
        for number in range(chosen.sequences):
            write_sequence(truth_dir, predictions_dir, number, chosen.frames, chosen.people, chosen.year)
        workers = chosen.workers or choose_num_workers(truth_dir, predictions_dir)
        start_s = time.perf_counter()
        evaluation = evaluate_posetrack(truth_dir, predictions_dir, num_workers=workers)
        whole_s = time.perf_counter() - start_s
        megabytes = sum(path.stat().st_size for path in Path(folder).rglob("*.json")) / 1e6
        print(
            f"{chosen.sequences} sequences x {chosen.frames} frames x {chosen.people} people, "
            f"PoseTrack{chosen.year}, {megabytes:.0f} MB; AP {evaluation.total.ap[-1]:.1f}, "
            f"MOTA {evaluation.total.mota[-1]:.1f}, HOTA {evaluation.total.hota[-1]:.1f}"
        )
        print(f"  whole, processes: {workers:<25} {whole_s:6.2f} s  (wanted: < {WANTED_S:.0f} on two cores)")
        measure_parts(truth_dir, predictions_dir)


def measure_parts(truth_dir: Path, predictions_dir: Path) -> None:
    """Print the processor time of reading and evaluating."""
    reading_s = measuring_s = 0.0
    sequences = []
    for paths in find_sequences(truth_dir, predictions_dir):
        start_s = time.process_time()
        truth, predictions = (read_annotations(path) for path in paths)
        read_s = time.process_time()
        sequences.append(evaluate_sequence(pair_sequence(truth, predictions)))
        measuring_s += time.process_time() - read_s
        reading_s += read_s - start_s
    start_s = time.process_time()
    collect(sequences)
    collecting_s = time.process_time() - start_s
    print(f"  processor time: reading the files           {reading_s:6.2f} s")
    print(f"                  evaluating the sequences     {measuring_s:6.2f} s")
    print(f"                  the numbers of all of them  {collecting_s:6.2f} s")


def write_sequence(
    truth_dir: Path, predictions_dir: Path, number: int, num_frames: int, num_people: int, year: int
) -> None:
    """Write annotations of walking people, and predictions with displaced keypoints and occasional errors."""
    rng = np.random.default_rng(number)
    K = POSETRACK_15.num_keypoints
    starts = rng.uniform((0, 0), IMAGE_WH, (num_people, 1, 2))
    steps = rng.normal(0, 4, (num_frames, num_people, 1, 2)).cumsum(axis=0)
    shape = rng.uniform((-40, -100), (40, 100), (num_people, K, 2))
    true_xy = (starts + steps + shape).round(2)
    xy = (true_xy + rng.normal(0, 8, true_xy.shape)).round(2)
    scores = rng.random((num_frames, num_people, K)).round(4)
    true_present = rng.random(scores.shape) < 0.85
    present = rng.random(scores.shape) < 0.9
    is_there = rng.random((num_frames, num_people)) < 0.95
    swaps = (rng.random((num_frames, num_people)) < 0.01).cumsum(axis=0)
    tracks = np.arange(num_people) + num_people * swaps
    name = f"{number:06d}_bench"
    true_ids = np.broadcast_to(np.arange(num_people), tracks.shape)
    truth = make_video(name, np.where(true_present[..., None], true_xy, np.nan), true_ids)
    predictions = make_video(
        name, np.where((present & is_there[..., None])[..., None], xy, np.nan), tracks, scores
    )
    for folder, video in ((truth_dir, truth), (predictions_dir, predictions)):
        (folder / f"{name}.json").write_text(json.dumps(ENCODERS[year](video)))


def make_video(name: str, xy: Array, tracks: IntArray, scores: Array | None = None) -> AnnotatedVideo:
    """Make a sequence of keypoints (T, N, K, 2), NaN where absent, and tracks (T, N); heads if no scores."""
    T, N, K, _ = xy.shape
    rows = xy.reshape(T * N, K, 2)
    centers = np.nan_to_num(rows[:, :1]).round()
    heads = np.concatenate([centers, centers + HEAD_SIDE_PX], axis=1).reshape(T * N, 4)
    nothing = np.full((T * N, K), np.nan)
    people = AnnotatedPeople(
        frame_index=np.repeat(np.arange(T), N),
        track_ids=tracks.reshape(-1),
        has_track_id=np.ones(T * N, bool),
        scores=np.full(T * N, np.nan),
        head_boxes_xyxy=heads if scores is None else np.full((T * N, 4), np.nan),
        boxes_xyxy=np.full((T * N, 4), np.nan),
        has_points=np.ones(T * N, bool),
        keypoints_xy=rows,
        keypoint_scores=nothing if scores is None else scores.reshape(T * N, K),
        visibility=np.where(np.isnan(rows[..., 0]), np.nan, 1.0),
    )
    frames = tuple(AnnotatedFrame(f"images/{name}/{index:06d}.jpg", is_labeled=True) for index in range(T))
    return AnnotatedVideo(name, frames, people)


if __name__ == "__main__":
    main()
