"""Poses of the frames between two detections."""

import numpy as np
import pytest

from posetrack.frame import Frame, Instances
from posetrack.processors.between import detect_at_intervals
from posetrack.processors.estimate import estimate
from trackers.flow_tracker import FlowTrackerConfig

K = 5
SIDE_PX = 100.0
HALF_PX = np.array([20, SIDE_PX / 2])


class Scene:
    """People whose keypoints move as told, a detector of their boxes and an estimator of their poses.

    Args:
        motions: From time in seconds to keypoints (K, 2) of each person.
        scores: Of each person's keypoints.
        fps: Frames a second.
    """

    def __init__(self, *motions, scores=None, fps=25.0, num_frames=13):
        self.motions = motions
        self.scores = np.full((len(motions), K), 0.9) if scores is None else np.asarray(scores, float)
        self.fps = fps
        self.frames = [Frame(i, i / fps, np.zeros((8, 8, 3), np.uint8)) for i in range(num_frames)]
        self._times_s = {id(frame.image): frame.time_s for frame in self.frames}
        self.estimated: list[tuple[int, int]] = []

    def place(self, time_s):
        return np.array([motion(time_s) for motion in self.motions]).reshape(-1, K, 2)

    def boxes(self, time_s):
        middles = self.middles(time_s)
        return np.concatenate([middles - HALF_PX, middles + HALF_PX], axis=1)

    def middles(self, time_s):
        points = self.place(time_s)
        return np.stack([points[:, 0, 0], points[..., 1].mean(axis=1)], axis=1)

    def detect(self, images):
        found = [self.boxes(self._times_s[id(image)]) for image in images]
        return [Instances(boxes_xyxy=boxes, box_scores=np.full(len(boxes), 0.9)) for boxes in found]

    def estimate(self, images, boxes_xyxy):
        found = []
        for image, boxes in zip(images, boxes_xyxy, strict=True):
            time_s = self._times_s[id(image)]
            middles = (boxes[:, :2] + boxes[:, 2:]) / 2
            rows = np.linalg.norm(middles[:, None] - self.middles(time_s), axis=2).argmin(axis=1)
            self.estimated += [(round(time_s * self.fps), int(row)) for row in rows]
            found.append((self.place(time_s)[rows].astype(np.float32), self.scores[rows].astype(np.float32)))
        return found

    def run(self, most_error=0.02, *, batch_frames=2, batch_crops=16, interval_s=0.08, tracker=None):
        detect = detect_at_intervals(self.detect, batch_frames=2, interval_s=interval_s, marks=most_error > 0)
        process = estimate(
            self.estimate,
            batch_crops=batch_crops,
            batch_frames=batch_frames,
            between_error=most_error,
            tracker=tracker,
        )
        out = list(process(detect(iter(self.frames))))
        assert [frame.index for frame in out] == [frame.index for frame in self.frames]
        assert all(frame.instances.is_interpolated is None for frame in out)
        return out

    def frames_of(self, person):
        return sorted(frame for frame, row in self.estimated if row == person)


def walk(start_px, speed_px):
    """A person who moves without a change of speed."""
    offsets = np.stack([np.zeros(K), np.linspace(-40, 40, K)], axis=1)
    return lambda time_s: offsets + np.array([start_px + speed_px * time_s, 100])


def fall(acceleration_px, keypoints=slice(None)):
    """A person some of whose keypoints are accelerated."""

    def place(time_s):
        points = walk(100, 0)(time_s)
        points[keypoints, 0] += acceleration_px / 2 * time_s**2
        return points

    return place


@pytest.mark.parametrize(("batch_frames", "batch_crops"), [(1, 16), (2, 16), (4, 1), (50, 500)])
def test_who_moves_evenly_is_estimated_where_detected_whatever_the_batches(batch_frames, batch_crops):
    scene = Scene(walk(100, 60), walk(300, -90))
    out = scene.run(batch_frames=batch_frames, batch_crops=batch_crops)
    # There is no speed to compare with in the first interval.
    assert scene.frames_of(0) == scene.frames_of(1) == [0, 1, 2, 4, 6, 8, 10, 12]
    for frame in out:
        np.testing.assert_allclose(frame.instances.keypoints_xy, scene.place(frame.time_s), atol=1e-3)
        np.testing.assert_allclose(frame.instances.keypoint_scores, 0.9, atol=1e-6)


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
def test_the_error_is_as_small_as_was_asked_for(fps):
    most_px = 0.02 * SIDE_PX
    for factor in (0.3, 1, 2, 10):
        scene = Scene(fall(factor * most_px * 8 / 0.08**2), fps=fps, num_frames=fps)
        out = scene.run()
        is_between = sorted(set(range(fps)) - set(scene.frames_of(0)))
        assert is_between or factor > 0.5
        assert not is_between or factor < 5
        errors = [abs(out[i].instances.keypoints_xy[0] - scene.place(out[i].time_s)[0]) for i in is_between]
        assert np.max(errors, initial=0) <= most_px


def test_a_hand_that_moves_alone_is_not_outvoted():
    assert len(Scene(walk(100, 0)).run()) == 13
    for limit, expected in ((0.04, False), (0.08, True)):
        acceleration = limit * SIDE_PX * 8 / 0.08**2
        scene = Scene(fall(acceleration, keypoints=2))
        # Of all five, the root mean square is 0.45 times that of one.
        scene.run(0.02)
        assert (len(scene.estimated) == 13) == expected


def test_keypoints_that_nobody_sees_say_nothing_and_whom_nobody_sees_is_looked_at():
    scores = np.full((1, K), 0.9)
    scores[0, 2] = 0.1
    scene = Scene(fall(1e6, keypoints=2), scores=scores)
    scene.run()
    assert len(scene.estimated) == 8
    unseen = Scene(walk(100, 0), scores=np.full((1, K), 0.1))
    unseen.run()
    assert len(unseen.estimated) == 13


def test_who_comes_is_estimated_until_the_speed_is_known():
    scene = Scene(walk(100, 0), walk(300, 0))
    whole = scene.boxes

    def boxes(time_s):
        return whole(time_s)[: 1 + (time_s > 0.15)]

    scene.boxes = boxes
    scene.run()
    assert scene.frames_of(0) == [0, 1, 2, 4, 6, 8, 10, 12]
    # From the second of the frames between, in which nobody had been found before.
    assert scene.frames_of(1) == [3, 4, 5, 6, 8, 10, 12]


def test_two_who_pass_each_other_keep_their_own_poses():
    scene = Scene(walk(100, 300), walk(220, -300), num_frames=25)
    for frame in scene.run():
        found = frame.instances.keypoints_xy[..., 0].mean(axis=1)
        np.testing.assert_allclose(
            np.sort(found), np.sort(scene.place(frame.time_s)[..., 0].mean(axis=1)), atol=0.1
        )


def test_without_an_error_everybody_is_estimated():
    scene = Scene(walk(100, 60))
    scene.run(0.0)
    assert len(scene.estimated) == 13


@pytest.mark.parametrize("interval_s", [0.08, 0.12, 0.4])
def test_what_is_interpolated_does_not_depend_on_the_batches(interval_s):
    estimated = []
    for batch_frames, batch_crops in ((1, 1), (2, 16), (8, 4), (50, 500)):
        scene = Scene(walk(100, 60), fall(300), walk(400, 0), num_frames=40)
        scene.run(
            batch_frames=batch_frames,
            batch_crops=batch_crops,
            interval_s=interval_s,
            tracker=FlowTrackerConfig(new_track_min_score=0.5),
        )
        estimated.append(sorted(scene.estimated))
    assert all(each == estimated[0] for each in estimated)
    assert len(estimated[0]) < 3 * 40


def test_a_clock_that_stands_still_or_goes_back():
    scene = Scene(walk(100, 60), num_frames=30)
    for times_s in ([0.0] * 30, [*np.arange(15) / 25, *np.arange(15) / 25]):
        for frame, time_s in zip(scene.frames, times_s, strict=True):
            object.__setattr__(frame, "time_s", float(time_s))
            scene._times_s[id(frame.image)] = float(time_s)
        scene.estimated.clear()
        for frame in scene.run():
            np.testing.assert_allclose(frame.instances.keypoints_xy, scene.place(frame.time_s), atol=1e-3)
