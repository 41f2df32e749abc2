"""Everyone who has a box gets a dense pose, once."""

import numpy as np
import pytest

from posetrack.frame import NO_DENSE, Frame, Instances
from posetrack.processors.densepose import complete_dense

IMAGE = np.zeros((100, 100, 3), np.uint8)


def make_people(N, **columns):
    boxes = np.arange(4 * N, dtype=np.float32).reshape(N, 4)
    return Instances(boxes_xyxy=boxes, box_scores=np.ones(N), **columns)


def make_estimator(calls):
    def estimate(images, boxes):
        calls.append([len(own) for own in boxes])
        assert len(images) == len(boxes)
        return [tuple(np.full((2, 2, 3), box[0], np.uint8) for box in own) for own in boxes]

    return estimate


@pytest.mark.parametrize(("batch_frames", "wanted"), [(1, [[2], [1]]), (3, [[2, 1]]), (100, [[2, 1]])])
def test_everyone_gets_their_own_in_batches(batch_frames, wanted):
    calls = []
    frames = [Frame(i, i / 25, IMAGE, make_people(N)) for i, N in enumerate((0, 2, 0, 1, 0, 0))]
    out = list(complete_dense(make_estimator(calls), batch_frames=batch_frames)(iter(frames)))
    assert calls == wanted
    assert [frame.index for frame in out] == list(range(6))
    assert [[int(pose[0, 0, 0]) for pose in frame.instances.dense] for frame in out] == [
        [],
        [0, 4],
        [],
        [0],
        [],
        [],
    ]


def test_only_those_without_one_are_estimated_and_nobody_who_was_not_found():
    own = np.full((3, 3, 3), 99, np.uint8)
    people = make_people(3, dense=(own, NO_DENSE, NO_DENSE), is_interpolated=[False, False, True])
    calls = []
    (frame,) = complete_dense(make_estimator(calls), batch_frames=1)(iter([Frame(0, 0.0, IMAGE, people)]))
    assert calls == [[1]]
    assert frame.instances.dense[0] is own
    assert [pose.shape for pose in frame.instances.dense] == [(3, 3, 3), (2, 2, 3), (0, 0, 3)]


def test_frames_wait_for_no_more_than_a_batch():
    """One who lacks a dense pose does not hold back a video of others."""
    calls = []
    process = complete_dense(make_estimator(calls), batch_frames=4)
    taken = []

    def read():
        for i in range(1000):
            taken.append(i)
            N = 1 if i == 0 else 0
            yield Frame(i, i / 25, IMAGE, make_people(N))

    out = process(read())
    assert next(out).index == 0
    assert len(taken) == 4


def test_people_without_boxes_have_none():
    people = Instances(track_ids=[1, 2])
    (frame,) = complete_dense(make_estimator([]), batch_frames=1)(iter([Frame(0, 0.0, IMAGE, people)]))
    assert [pose.size for pose in frame.instances.dense] == [0, 0]
