from dataclasses import replace

import numpy as np
import pytest

from posetrack.frame import Frame, Instances
from posetrack.processors.between import Intervals, detect_at_intervals, interpolate_people

RNG = np.random.default_rng(0)
SCENES = RNG.integers(0, 255, (3, 90, 160, 3), np.uint8)
WALK_PX = 4.0


def make_frames(times_s, scenes=None):
    scenes = [0] * len(times_s) if scenes is None else scenes
    return [
        Frame(i, time_s, SCENES[scene]) for i, (time_s, scene) in enumerate(zip(times_s, scenes, strict=True))
    ]


class Walkers:
    """A detector that knows where people are in each of these frames."""

    def __init__(self, frames, walkers):
        self.walkers = walkers
        self.seen = []
        self._frames = {id(frame.image): frame.index for frame in frames}

    def __call__(self, images):
        found = []
        for image in images:
            index = self._frames[id(image)]
            self.seen.append(index)
            there = [start + WALK_PX * index for start, frames in self.walkers if index in frames]
            boxes = np.array([[x, 10, x + 20, 60] for x in there], np.float32).reshape(-1, 4)
            found.append(Instances(boxes_xyxy=boxes, box_scores=np.full(len(boxes), 0.5 + index / 100)))
        return found


def walk(times_s, walkers, *, batch_frames=2, scenes=None, restored=0, interval_s=0.08):
    frames = [
        replace(frame, image=frame.image.copy(), is_restored=frame.index < restored)
        for frame in make_frames(times_s, scenes)
    ]
    detector = Walkers(frames, walkers)
    if restored:
        frames = [
            replace(frame, instances=detector([frame.image])[0]) if frame.is_restored else frame
            for frame in frames
        ]
        detector.seen.clear()
    out = list(detect_at_intervals(detector, batch_frames=batch_frames, interval_s=interval_s)(iter(frames)))
    assert [frame.index for frame in out] == list(range(len(frames)))
    return detector.seen, [frame.instances for frame in out]


def choose(times_s, interval_s, scenes=None):
    chosen = Intervals(interval_s)
    return [frame.index for frame in make_frames(times_s, scenes) if chosen(frame)]


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(10, [0, 1, 2, 3, 4, 5]), (25, [0, 2, 4]), (30, [0, 3, 5]), (50, [0, 4])],
)
def test_intervals_are_of_time_not_of_frames(fps, expected):
    assert choose([i / fps for i in range(6)], 0.08) == expected


def test_a_part_has_the_frames_of_the_whole_and_its_first_one():
    times_s = [i / 25 for i in range(40)]
    whole = choose(times_s, 0.12)
    part = [i + 13 for i in choose(times_s[13:], 0.12)]
    assert part == [13, *(i for i in whole if i > 13)]


def test_a_new_shot_is_looked_at_and_one_that_moves_a_little_is_not_new():
    assert choose([i / 25 for i in range(8)], 10.0, [0, 0, 0, 1, 1, 2, 2, 0]) == [0, 3, 5, 7]
    smooth = np.repeat(np.repeat(RNG.integers(0, 255, (14, 22, 3), np.uint8), 8, 0), 8, 1)
    chosen = Intervals(10.0)
    assert [chosen(Frame(i, i / 25, smooth[:90, i : i + 160])) for i in range(5)] == [True, *[False] * 4]


@pytest.mark.parametrize("fps", [25, 30, 60])
def test_long_intervals_have_one_detection_each_at_usual_frame_rates(fps):
    times_s = [i / fps for i in range(3 * fps)]
    assert len(choose(times_s, 0.4)) == 8


def test_time_that_stands_still_or_goes_back_holds_back_no_more_than_a_few_frames():
    assert choose([0.0] * 20, 0.08) == [0, 8, 16]
    assert choose([i / 480 for i in range(60)], 0.08) == [0, 8, 16, 24, 32, 38, 46, 54]
    _, people = walk([10.0, 10.04, 0.0, 0.04, 0.08], [(10.0, range(5))])
    for found in people:
        assert 10 <= float(found.boxes_xyxy[0, 0]) <= 10 + 4 * WALK_PX


def test_fast_cameras_do_not_fill_the_memory():
    taken = 0

    def feed():
        nonlocal taken
        for i in range(100):
            taken = i
            yield Frame(i, i / 240, SCENES[0])

    def see_nobody(images):
        return [Instances.empty() for _ in images]

    for frame in detect_at_intervals(see_nobody, batch_frames=100, interval_s=0.08)(feed()):
        assert taken - frame.index <= 16


def test_another_size_is_another_shot():
    smooth = np.repeat(np.repeat(RNG.integers(0, 255, (18, 32, 3), np.uint8), 40, 0), 40, 1)
    chosen = Intervals(10.0)
    images = [smooth, smooth, smooth[::2, ::2], smooth[::2, ::2]]
    assert [chosen(Frame(i, i / 25, image)) for i, image in enumerate(images)] == [True, False, True, False]


@pytest.mark.parametrize("batch_frames", [1, 2, 4, 100])
def test_boxes_between_two_detections_lie_between_them_whatever_the_batches(batch_frames):
    times_s = [i / 25 for i in range(10)]
    seen, people = walk(times_s, [(10.0, range(10)), (100.0, range(10))], batch_frames=batch_frames)
    # The last frame is looked at, because nothing comes after it.
    assert seen == [0, 2, 4, 6, 8, 9]
    for index, found in enumerate(people):
        expected = sorted(start + WALK_PX * index for start in (10.0, 100.0))
        assert sorted(found.boxes_xyxy[:, 0].tolist()) == pytest.approx(expected)
        np.testing.assert_allclose(found.box_scores, 0.5 + index / 100, atol=1e-6)


def test_who_comes_is_there_one_frame_earlier_and_who_goes_is_left_to_the_tracker():
    times_s = [i / 25 for i in range(7)]
    _, people = walk(times_s, [(10.0, range(2, 5))])
    assert [len(found) for found in people] == [0, 1, 1, 1, 1, 0, 0]
    np.testing.assert_allclose(people[1].boxes_xyxy, people[2].boxes_xyxy)


def test_nobody_is_moved_from_one_shot_into_another():
    times_s = [i / 25 for i in range(8)]
    seen, people = walk(times_s, [(10.0, range(8))], scenes=[0, 0, 0, 0, 1, 1, 1, 1])
    assert seen == [0, 2, 4, 6, 7]
    assert [len(found) for found in people] == [1, 1, 1, 0, 1, 1, 1, 1]


def test_after_a_long_gap_nobody_was_there_before():
    """The camera stood still for a second: who is found then was not there before it."""
    _, people = walk([0.0, 0.04, 1.04, 1.08, 1.12], [(10.0, range(2, 5))])
    assert [len(found) for found in people] == [0, 0, 1, 1, 1]


def test_restored_people_count_as_detected():
    times_s = [i / 25 for i in range(8)]
    seen, people = walk(times_s, [(10.0, range(8))], restored=3)
    assert seen == [4, 6, 7]
    assert [float(found.boxes_xyxy[0, 0]) for found in people] == pytest.approx([10 + 4 * i for i in range(8)])


def test_of_two_who_are_close_each_keeps_the_own_box():
    before = Frame(
        0, 0.0, SCENES[0], Instances(boxes_xyxy=[[0, 0, 20, 50], [12, 0, 32, 50]], box_scores=[0.9, 0.8])
    )
    after = Frame(
        2, 0.08, SCENES[0], Instances(boxes_xyxy=[[14, 0, 34, 50], [2, 0, 22, 50]], box_scores=[0.7, 0.6])
    )
    people = interpolate_people(before, after, 0.04, longest_s=0.08)
    np.testing.assert_allclose(people.boxes_xyxy, [[13, 0, 33, 50], [1, 0, 21, 50]], atol=1e-5)
    np.testing.assert_allclose(people.box_scores, [0.75, 0.75])
