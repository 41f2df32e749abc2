"""Detection on demand: in which frames people are detected, by what the tracker made of the frames before."""

from dataclasses import replace

import numpy as np
import pytest

from posetrack.frame import Frame, Instances
from posetrack.processors.detect import detect
from posetrack.processors.look_again import DetectionOnDemand

SIZE_WH = 320, 240
HERE = (20, 60, 80, 220)
BACKGROUND = np.random.default_rng(0).integers(0, 256, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)


def run(
    num_frames, people_at=lambda i: {1: HERE}, image_at=lambda i: BACKGROUND, rate=25, longest_s=0.4, begin=0
):
    """The frames in which people are detected, when the tracker follows those of `people_at`, id -> box."""
    seen: list[int] = []

    def detector(images):
        assert len(images) == 1
        return [Instances(boxes_xyxy=np.zeros((1, 4)))]

    def source():
        for i in range(num_frames):
            taken.append(i)
            yield Frame(i, begin + i / rate, image_at(i), Instances.empty())

    def track(frames):
        for frame in frames:
            if len(frame.instances):
                seen.append(frame.index)
            people = people_at(frame.index)
            yield replace(
                frame,
                instances=Instances(
                    boxes_xyxy=np.array(list(people.values()), np.float32).reshape(-1, 4),
                    track_ids=np.array(list(people), int),
                ),
            )

    taken: list[int] = []
    demand = DetectionOnDemand(longest_s=longest_s)
    find = detect(detector, batch_frames=1, start=demand.start)
    for frame in demand.watch(track)(find(source())):
        assert taken[-1] == frame.index, "a frame was held back"
    assert taken == list(range(num_frames))
    return seen


@pytest.mark.parametrize(("rate", "step"), [(25, 10), (50, 20), (10, 4), (2, 1), (29.97, 12)])
def test_a_quiet_scene_is_looked_at_after_a_time(rate, step):
    assert run(3 * step, rate=rate) == [0, step, 2 * step]


def test_the_time_may_be_shorter():
    assert run(11, longest_s=0.2) == [0, 5, 10]
    assert run(3, longest_s=0.0) == [0, 1, 2]


def test_the_first_frame_may_have_any_time():
    assert run(11, begin=1000.0) == [0, 10]


def test_who_is_lost_is_looked_for_at_once_and_once():
    assert run(16, people_at=lambda i: {1: HERE, 2: (200, 60, 260, 220)} if i < 3 else {1: HERE}) == [0, 4, 14]
    # New people are no loss.
    assert run(10, people_at=lambda i: {1: HERE, 2: (200, 60, 260, 220)} if i >= 3 else {1: HERE}) == [0]


def test_while_people_meet_every_frame_is_looked_at():
    def people_at(i):
        return {1: HERE, 2: (40, 60, 100, 220) if 4 <= i < 9 else (200, 60, 260, 220)}

    assert run(20, people_at=people_at) == [0, 5, 6, 7, 8, 9, 19]


def test_something_that_moves_where_nobody_is_known_is_looked_at():
    def image_at(i):
        image = BACKGROUND.copy()
        if i >= 5:
            image[80:140, 150 + 4 * i : 180 + 4 * i] = 255
        return image

    # It goes on: every third frame.
    assert run(16, image_at=image_at) == [0, 5, 8, 11, 14]
    # Where somebody is known it is theirs; with a margin, since a raised arm leaves the box.
    around = (150, 80, 260, 140)
    assert run(16, image_at=image_at, people_at=lambda i: {1: around}) == [0, 10]


def test_a_flicker_of_small_things_is_not_looked_at():
    def image_at(i):
        image = BACKGROUND.copy()
        image[10:14, 10:14] = 255 * (i % 2)
        image[200:203, 300:306] = 255 * (i % 2)
        return image

    assert run(10, image_at=image_at) == [0]


def test_a_cut_and_another_size_are_looked_at():
    other = np.random.default_rng(1).integers(0, 256, BACKGROUND.shape, np.uint8)
    assert run(10, image_at=lambda i: BACKGROUND if i < 6 else np.roll(other // 4, 3)) == [0, 6]
    assert run(10, image_at=lambda i: BACKGROUND if i < 6 else BACKGROUND[:120]) == [0, 6]


def test_a_video_begins_anew():
    demand = DetectionOnDemand(longest_s=0.4)
    for _ in range(2):
        choose = demand.start()
        assert [choose(Frame(i, i / 25, BACKGROUND, Instances.empty())) for i in range(3)] == [
            True,
            False,
            False,
        ]


def test_time_that_goes_back_is_another_beginning():
    choose = DetectionOnDemand(longest_s=0.4).start()
    times_s = (0.0, 0.04, 5.0, 0.0, 0.04)
    assert [choose(Frame(i, t, BACKGROUND, Instances.empty())) for i, t in enumerate(times_s)] == [
        True,
        False,
        True,
        True,
        False,
    ]
