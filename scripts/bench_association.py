"""Time the association of a crowd with the tracker's queue: 200 people against 2,000 queued poses.

Run: python scripts/bench_association.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from trackers.config import MOTIONS
from trackers.flow_tracker import FlowTracker, FlowTrackerConfig, People
from trackers.matching import match_greedy, match_hungarian
from trackers.oks import compute_oks

PEOPLE, FRAMES, K = 200, 10, 17
REPEATS = 30


def main() -> None:
    """Print the median times of the whole update, of OKS and of the two matchers."""
    rng = np.random.default_rng(0)
    sigmas = np.full(K, 0.07, np.float32)
    crowd = make_crowd(rng)

    updates_ms = {
        (motion, count): measure_update_ms(motion, crowd[np.arange(count)], sigmas, rng)
        for motion in MOTIONS
        for count in (PEOPLE // 4, PEOPLE)
    }

    queued = np.concatenate([jitter(crowd, rng).keypoints_xy for _ in range(FRAMES)])
    visible, queued_visible = np.ones((PEOPLE, K), bool), np.ones((len(queued), K), bool)
    areas, queued_areas = np.full(PEOPLE, 5000, np.float32), np.full(len(queued), 5000, np.float32)

    def compare() -> np.ndarray:
        return compute_oks(
            crowd.keypoints_xy,
            visible,
            queued,
            queued_visible,
            areas_px2=areas,
            others_areas_px2=queued_areas,
            sigmas=sigmas,
        )

    similarity = compare().reshape(PEOPLE, FRAMES, PEOPLE).max(axis=1)
    dense = rng.random((PEOPLE, PEOPLE)).astype(np.float32)
    print(f"{PEOPLE} people, {len(queued)} queued poses, median of {REPEATS}:")
    for motion in MOTIONS:
        few_ms, all_ms = updates_ms[motion, PEOPLE // 4], updates_ms[motion, PEOPLE]
        ratio = f"{all_ms / few_ms:.1f} times that of {PEOPLE // 4} people"
        print(f"  whole update, {motion:<25} {all_ms:6.1f} ms  (wanted: < 50), {ratio}")
    print(f"  OKS                                     {measure_ms(compare):6.1f} ms")
    for name, match in (("greedy", match_greedy), ("Hungarian", match_hungarian)):
        likely = measure_ms(lambda match=match: match(similarity, 0.25))
        worst = measure_ms(lambda match=match: match(dense, 0.25))
        print(f"  {name + ' matching':<39} {likely:6.1f} ms  ({worst:.1f} when all people are similar)")


def measure_update_ms(motion: str, crowd: People, sigmas: np.ndarray, rng: np.random.Generator) -> float:
    """Measure a whole update without images and networks."""
    # Oldest age = queue_frames + 1, so 9 keeps 10 frames: 2,000 poses of 200 people with motion "flow".
    tracker = FlowTracker(sigmas, FlowTrackerConfig(motion=motion, queue_frames=FRAMES - 1))
    for _ in range(FRAMES):
        tracker.update(None, jitter(crowd, rng))
    frames = iter([jitter(crowd, rng) for _ in range(REPEATS + 1)])
    return measure_ms(lambda: tracker.update(None, next(frames)))


def make_crowd(rng: np.random.Generator) -> People:
    """Make people of about 60 x 160 pixels at random positions in a 1920 x 1080 image."""
    corners = rng.uniform((0, 0), (1860, 920), (PEOPLE, 2)).astype(np.float32)
    sizes = np.array([60, 160], np.float32) * rng.uniform(0.8, 1.2, (PEOPLE, 1)).astype(np.float32)
    shape = rng.random((PEOPLE, K, 2)).astype(np.float32)
    return People(
        boxes_xyxy=np.concatenate([corners, corners + sizes], axis=1),
        box_scores=np.full(PEOPLE, 0.9, np.float32),
        keypoints_xy=corners[:, None] + shape * sizes[:, None],
        keypoint_scores=np.full((PEOPLE, K), 0.9, np.float32),
    )


def jitter(crowd: People, rng: np.random.Generator) -> People:
    """Make the same people with keypoints displaced by 2 pixels."""
    noise = rng.normal(0, 2, crowd.keypoints_xy.shape).astype(np.float32)
    return People(crowd.boxes_xyxy, crowd.box_scores, crowd.keypoints_xy + noise, crowd.keypoint_scores)


def measure_ms(work: Callable[[], object]) -> float:
    """Measure the median time of one call in milliseconds, after one warm-up call."""
    work()
    times_s = []
    for _ in range(REPEATS):
        start_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - start_s)
    return float(np.median(times_s)) * 1000


if __name__ == "__main__":
    main()
