"""Drawn people, images that move by known steps, and a pose network that knows the answer."""

import numpy as np

from trackers.flow_tracker import FlowTracker, FlowTrackerConfig, People

K = 5
SIGMAS = np.full(K, 0.08, np.float32)
SIZE = np.array([30, 80], np.float32)
SHAPE = np.array([[0.5, 0], [0, 0.3], [1, 0.3], [0.2, 1], [0.8, 1]], np.float32) * SIZE
"""A person, in pixels from the left top of their box."""


def make_people(*corners_xy, score=0.9, keypoint_score=0.8):
    corners = np.array(corners_xy, np.float32).reshape(-1, 2)
    N = len(corners)
    return People(
        boxes_xyxy=np.concatenate([corners, corners + SIZE], axis=1),
        box_scores=np.broadcast_to(np.float32(score), N),
        keypoints_xy=corners[:, None] + SHAPE,
        keypoint_scores=np.full((N, K), keypoint_score, np.float32),
    )


def make_image(seed=0, shift=0, height=120, width=400):
    """Coarse coloured noise; with `shift`, what it shows has moved so many pixels to the right."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(0, 256, (height // 8, (width + 400) // 8, 3)).astype(np.uint8)
    large = wide.repeat(8, axis=0).repeat(8, axis=1)
    return np.ascontiguousarray(large[:, 200 - shift : 200 - shift + width])


def make_tracker(**settings):
    return FlowTracker(SIGMAS, FlowTrackerConfig(**settings))


def ids(tracked):
    return tracked.track_ids.tolist()


class Estimator:
    """Stands in for a pose network: the people at `corners_xy` whose middle is nearest to each box."""

    def __init__(self, *corners_xy, score=0.8):
        self.people = make_people(*corners_xy, keypoint_score=score)
        self.boxes = []

    def __call__(self, image, boxes_xyxy):
        self.boxes.append(boxes_xyxy)
        middles = (self.people.boxes_xyxy[:, :2] + self.people.boxes_xyxy[:, 2:]) / 2
        asked = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
        nearest = np.linalg.norm(asked[:, None] - middles, axis=2).argmin(axis=1)
        return self.people.keypoints_xy[nearest], self.people.keypoint_scores[nearest]
