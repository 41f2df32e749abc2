"""Boxes of weak poses are looked at again from time to time only."""

import numpy as np
import pytest

from trackers.weak_boxes import DELAY_S, WeakBoxes

SIGN, PERSON = [10, 10, 50, 90], [200, 10, 240, 110]


def follow(boxes, weak, *, fps=25, at_once=1, scores=None, min_score=0.0):
    """Choose among the boxes of each frame, `at_once` of them together; returns what was chosen."""
    memory, chosen, held = WeakBoxes(min_score), [], []
    for i, (here, is_weak) in enumerate(zip(boxes, weak, strict=True)):
        here = np.array(here, np.float32).reshape(-1, 4)
        rates = np.full(len(here), 0.6, np.float32) if scores is None else np.float32(scores[i])
        wanted = memory.choose(i / fps, here, rates)
        chosen.append(wanted.tolist())
        held.append((i / fps, here[wanted], rates[wanted], np.array(is_weak, bool)[wanted]))
        if len(held) == at_once:
            for verdict in held:
                memory.note(*verdict)
            held = []
    return chosen


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_a_weak_box_is_looked_at_again_after_a_while_and_then_less_often(at_once):
    chosen = follow([[SIGN, PERSON]] * 60, [[True, False]] * 60, at_once=at_once)
    looks = [i for i, (sign, _) in enumerate(chosen) if sign]
    # Until the first verdict counts, then after 0.4 s and every 0.8 s.
    assert looks == [0, 1, 2, 12, 32, 52]
    assert all(person for _, person in chosen)


def test_a_pose_that_has_become_strong_is_estimated_from_then_on():
    chosen = follow([[SIGN]] * 40, [[i < 5] for i in range(40)])
    looks = [i for i, (sign,) in enumerate(chosen) if sign]
    delay = round(DELAY_S * 25)
    assert looks == [0, 1, 2, 12, *range(12 + delay, 40)]


def test_a_box_that_moves_along_is_the_same_and_one_elsewhere_is_not():
    moving = [[[10 + 2 * i, 10, 50 + 2 * i, 90]] for i in range(10)]
    assert [i for i, (box,) in enumerate(follow(moving, [[True]] * 10)) if box] == [0, 1, 2]
    jumping = [[[100 * i, 10, 100 * i + 40, 90]] for i in range(10)]
    assert all(box for (box,) in follow(jumping, [[True]] * 10))


def test_a_box_whose_score_rises_is_looked_at_at_once():
    scores = [[0.6]] * 5 + [[0.8]] + [[0.6]] * 2
    chosen = follow([[SIGN]] * 8, [[True]] * 8, scores=scores)
    assert [box for (box,) in chosen] == [True, True, True, False, False, True, False, False]


def test_boxes_that_were_gone_for_long_are_new():
    boxes = [[SIGN]] * 4 + [[]] * 30 + [[SIGN]]
    weak = [[True]] * 4 + [[]] * 30 + [[True]]
    assert follow(boxes, weak)[-1] == [True]
    assert follow(boxes[:4] + boxes[-1:], weak[:4] + weak[-1:])[-1] == [False]


def test_boxes_that_can_start_no_track_need_no_pose():
    chosen = follow([[SIGN, PERSON]], [[True, False]], scores=[[0.3, 0.5]], min_score=0.5)
    assert chosen == [[False, True]]


def test_time_that_goes_back_forgets_everything():
    memory, box = WeakBoxes(), np.float32([SIGN])
    for time_s in (5.0, 5.04, 5.2):
        wanted = memory.choose(time_s, box, np.float32([0.6]))
        memory.note(time_s, box[wanted], np.float32([0.6])[wanted], np.ones(int(wanted.sum()), bool))
    assert wanted.tolist() == [False]
    assert memory.choose(0.0, box, np.float32([0.6])).tolist() == [True]


def test_nobody():
    memory = WeakBoxes()
    nothing = np.zeros((0, 4), np.float32)
    assert memory.choose(0.0, nothing, np.zeros(0, np.float32)).shape == (0,)
    memory.note(0.0, nothing, np.zeros(0, np.float32), np.zeros(0, bool))
    assert memory.choose(1.0, np.float32([SIGN]), np.float32([0.6])).tolist() == [True]
