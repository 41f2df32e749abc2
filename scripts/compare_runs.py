"""Compare runs of the same videos: how far the keypoints of the same people are apart, who is in one alone.

People of a frame whose boxes overlap by half are the same. Distances are fractions of the longest side of the
box, of keypoints that are seen (a score of 0.2 or more) in both.

Run: python scripts/compare_runs.py RUN/poses.jsonl OTHER/poses.jsonl [RUN/poses.jsonl OTHER/poses.jsonl ...]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from posetrack.frame import FloatArray, Instances
from posetrack.results.jsonl import read_jsonl
from trackers.matching import match_greedy
from trackers.nms import compute_iou

LEAST_IOU = 0.5
SEEN_SCORE = 0.2


@dataclass
class Comparison:
    """What two runs have in common, and what not."""

    distances: list[FloatArray] = field(default_factory=list)
    in_both: int = 0
    in_first: int = 0
    in_second: int = 0

    def add(self, first: Instances, second: Instances) -> None:
        """Compare the people of a frame."""
        if first.boxes_xyxy is None or second.boxes_xyxy is None:
            return
        rows, columns = match_greedy(compute_iou(first.boxes_xyxy, second.boxes_xyxy), LEAST_IOU)
        self.in_both += len(rows)
        self.in_first += len(first) - len(rows)
        self.in_second += len(second) - len(rows)
        own, others = first[rows], second[columns]
        if own.keypoints_xy is None or others.keypoints_xy is None:
            return
        assert own.boxes_xyxy is not None
        assert own.keypoint_scores is not None
        assert others.keypoint_scores is not None
        boxes = own.boxes_xyxy
        distances = np.linalg.norm(own.keypoints_xy - others.keypoints_xy, axis=2)
        scores = np.minimum(own.keypoint_scores, others.keypoint_scores)
        relative = distances / (boxes[:, 2:] - boxes[:, :2]).max(axis=1)[:, None]
        self.distances.append(relative[scores >= SEEN_SCORE])

    def describe(self) -> str:
        """The comparison as one line."""
        people = (
            f"{self.in_both} people in both, {self.in_first} in the first alone, {self.in_second} in the second"
        )
        if not self.distances:
            return people
        percent = 100 * np.concatenate(self.distances)
        moved = f"{(percent > 0).mean():.0%} moved"
        quantiles = zip(("median", "p95", "p99"), np.percentile(percent, (50, 95, 99)), strict=True)
        return ", ".join(
            [f"{people}; keypoints: {moved}", *(f"{name} {value:.2f} %" for name, value in quantiles)]
        )


def main() -> None:
    """Print a line for each pair of files, and one for all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="poses.jsonl")
    files = parser.parse_args().files
    if len(files) % 2:
        parser.error("give pairs of files")
    whole = Comparison()
    for first, second in zip(files[::2], files[1::2], strict=True):
        own = Comparison()
        others = {record.frame: record.instances for record in read_jsonl(second)[1]}
        for record in read_jsonl(first)[1]:
            if record.frame in others:
                for comparison in (own, whole):
                    comparison.add(record.instances, others[record.frame])
        print(f"{first.parent.name}: {own.describe()}")
    print(f"all: {whole.describe()}")


if __name__ == "__main__":
    main()
