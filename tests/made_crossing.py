"""Poses of 40 frames: 1 goes to the right, 2 to the left; at frame 25 they change ids; 1 is away in 30-33."""

from fractions import Fraction

import numpy as np

from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

HEADER = Header("a.mp4", 640, 360, Fraction(25), COCO_17, "fast")


def make_pose(x, y):
    k = np.arange(17.0)
    return np.stack([x + k % 5 * 8, y + k * 8], axis=1)


def make_people(ids, poses, *, score=0.8, smoothed=False):
    xy = np.asarray(poses, np.float32)
    return Instances(
        boxes_xyxy=np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1),
        box_scores=np.full(len(xy), 0.9),
        keypoints_xy=xy,
        keypoint_scores=np.full(xy.shape[:2], score),
        smoothed_xy=xy + 0.5 if smoothed else None,
        track_ids=np.array(ids),
    )


def write_poses(path, frames, header=HEADER):
    """Write frames, a list of people, 25 a second."""
    with JsonlWriter(path, header) as writer:
        for index, people in enumerate(frames):
            writer.write(index, index / 25, people)
    return path


def make_crossing(apart=10):
    frames = []
    for index in range(40):
        people = {1: make_pose(100 + 4 * index, 50), 2: make_pose(300 - 4 * index, 50 + apart)}
        if index >= 25:
            people = {1: people[2], 2: people[1]}
        if 30 <= index < 34:
            del people[1]
        frames.append(make_people(list(people), list(people.values())))
    return frames
