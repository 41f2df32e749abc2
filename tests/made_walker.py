"""A made person whose angles are known, built outwards from the hips by turning limbs."""

from fractions import Fraction

import numpy as np

from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

SIZE_WH = (640, 480)
LENGTHS_PX = {"shank": 49.2, "thigh": 49.0, "trunk": 57.6, "upper_arm": 37.0, "forearm": 29.0}
"""Parts of a body of 200 px, by Winter's table."""
HEIGHT_PX = 200.0


def turn(vectors, degrees):
    """Turn vectors (T, 2) of the image clockwise, as it is seen: y points down."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.stack([vectors[:, 0] * c - vectors[:, 1] * s, vectors[:, 0] * s + vectors[:, 1] * c], axis=1)


def make_walker(hips_xy, *, facing=1, trunk=0.0, hip=0.0, knee=0.0, shoulder=0.0, elbow=0.0, skeleton=COCO_17):
    """Keypoints (T, K, 2) of a person seen from the side; each angle is a number or (T,) of degrees.

    `trunk` is to the right of the image; the others are flexions, the same on both sides.
    """
    hips = np.asarray(hips_xy, np.float64)
    T = len(hips)
    up = turn(np.tile([0.0, -1.0], (T, 1)), trunk)
    shoulders = hips + LENGTHS_PX["trunk"] * up
    thigh = turn(-up, -facing * np.asarray(hip))
    knees = hips + LENGTHS_PX["thigh"] * thigh
    shank = turn(thigh, facing * np.asarray(knee))
    ankles = knees + LENGTHS_PX["shank"] * shank
    forward = turn(shank, -90 * facing)
    arm = turn(-up, -facing * np.asarray(shoulder))
    elbows = shoulders + LENGTHS_PX["upper_arm"] * arm
    wrists = elbows + LENGTHS_PX["forearm"] * turn(arm, -facing * np.asarray(elbow))
    ears = shoulders + 25 * up
    points = {
        "ear": ears,
        "nose": ears + np.array([facing * 14, 3]),
        "eye": ears + np.array([facing * 10, -3]),
        "head_top": shoulders + 40 * up,
        "neck": shoulders + 5 * up,
        "upper_neck": shoulders + 5 * up,
        "thorax": shoulders,
        "pelvis": hips,
        "shoulder": shoulders,
        "elbow": elbows,
        "wrist": wrists,
        "hip": hips,
        "knee": knees,
        "ankle": ankles,
        "heel": ankles + 8 * shank - 5 * forward,
        "big_toe": ankles + 8 * shank + 22 * forward,
        "small_toe": ankles + 8 * shank + 18 * forward,
    }
    return np.stack([points[name.removeprefix("left_").removeprefix("right_")] for name in skeleton.names], 1)


def write_poses(path, people, times_s, *, scores=None, skeleton=COCO_17, fps=25):
    """Write a file of people {id: (T, K, 2)}; a person is absent where the first keypoint is NaN.

    Args:
        path: The file.
        people: Their keypoints.
        times_s: (T,).
        scores: {id: (T, K)}, 0.9 where it does not say.
        skeleton: Of the keypoints.
        fps: Of the header.
    """
    header = Header("made.mp4", *SIZE_WH, Fraction(fps), skeleton, "made")
    with JsonlWriter(path, header) as writer:
        for i, time_s in enumerate(times_s):
            here = [key for key, xy in people.items() if np.isfinite(xy[i, 0, 0])]
            if not here:
                writer.write(
                    i, float(time_s), Instances.empty(skeleton.num_keypoints).with_columns(track_ids=[])
                )
                continue
            xy = np.stack([people[key][i] for key in here])
            found = [
                np.full(skeleton.num_keypoints, 0.9) if key not in (scores or {}) else scores[key][i]
                for key in here
            ]
            boxes = np.concatenate([xy.min(axis=1) - 5, xy.max(axis=1) + 5], axis=1)
            writer.write(
                i,
                float(time_s),
                Instances(
                    boxes_xyxy=boxes,
                    box_scores=np.full(len(here), 0.9),
                    keypoints_xy=xy,
                    keypoint_scores=np.stack(found),
                    track_ids=here,
                ),
            )
    return path
