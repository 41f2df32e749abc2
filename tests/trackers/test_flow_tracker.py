"""Who gets which id, with and without images, and what input is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.trackers_people import Estimator, K, ids, make_image, make_people, make_tracker

from trackers.flow_tracker import FlowTracker, FlowTrackerConfig, People

# ---- association ------------------------------------------------------------------------------------


def test_walking_people_keep_their_ids_in_whatever_order_they_come():
    tracker = make_tracker()
    assert ids(tracker.update(None, make_people((0, 0), (100, 0), (200, 0)))) == [1, 2, 3]
    for step in range(1, 20):
        corners = [(3 * step, 0), (100 + 2 * step, step), (200 + step, 0)]
        order = np.roll([0, 1, 2], step)
        tracked = tracker.update(None, make_people(*(corners[i] for i in order)))
        assert ids(tracked) == (order + 1).tolist()
        assert tracked.rows.tolist() == [0, 1, 2]


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_permuted_input_permutes_ids(first, second):
    corners = [(60 * i, 7 * i) for i in range(5)]
    scores = np.linspace(0.5, 0.9, 5)
    base, permuted = make_tracker(), make_tracker()
    for order, moved in ((first, 0), (second, 4)):
        people = make_people(*((x + moved, y) for x, y in corners), score=scores)
        expected = base.update(None, people)
        tracked = permuted.update(None, people[np.array(order)])
        assert ids(tracked) == [ids(expected)[i] for i in order]


@pytest.mark.parametrize("match", ["greedy", "hungarian"])
def test_two_people_who_cross_keep_their_ids(match):
    tracker = make_tracker(match=match)
    for x in range(0, 204, 4):
        # One walks right, the other, a little lower, left; they meet at x = 100.
        tracked = tracker.update(make_image(shift=0), make_people((x, 0), (200 - x, 12)))
        assert ids(tracked) == [1, 2]


@pytest.mark.parametrize("queue_frames", [0, 1, 4])
def test_a_person_may_be_missed_for_the_queues_frames_and_no_longer(queue_frames):
    someone, nobody = make_people((50, 10)), make_people()
    for missed, expected in ((queue_frames, [1]), (queue_frames + 1, [2])):
        tracker = make_tracker(queue_frames=queue_frames)
        tracker.update(None, someone)
        for _ in range(missed):
            assert ids(tracker.update(None, nobody)) == []
        assert ids(tracker.update(None, someone)) == expected


def test_adopted_people_keep_their_ids_and_new_ones_get_higher_ones():
    tracker = make_tracker()
    tracker.adopt(None, make_people((0, 0), (100, 0), (300, 0)), np.array([9, 4, -1]))
    tracked = tracker.update(None, make_people((102, 1), (2, 1), (200, 0), (302, 1)))
    assert ids(tracked) == [4, 9, 10, 11]


def test_adopting_goes_on_as_if_nothing_had_happened():
    frames = [make_people((4 * i, 0), (200 - 4 * i, 12), *[(400, 50)] * (i % 3 > 0)) for i in range(20)]
    whole, resumed = make_tracker(), make_tracker()
    expected = [whole.update(make_image(shift=0), people) for people in frames]
    for people, tracked in zip(frames[:11], expected[:11], strict=True):
        resumed.adopt(make_image(shift=0), people[tracked.rows], tracked.track_ids)
    after = [resumed.update(make_image(shift=0), people) for people in frames[11:]]
    assert [ids(tracked) for tracked in after] == [ids(tracked) for tracked in expected[11:]]


def test_ids_are_never_given_to_another_person():
    tracker = make_tracker(queue_frames=1)
    seen = []
    for i in range(12):
        # Someone new somewhere else every third frame, and nobody in between.
        tracked = tracker.update(None, make_people((100 * i, 0)) if i % 3 == 0 else make_people())
        seen += ids(tracked)
    assert seen == [1, 2, 3, 4]


def test_a_weak_person_starts_no_track_but_keeps_one():
    tracker = make_tracker(new_track_min_score=0.5)
    weak = make_people((50, 0), score=0.3)
    tracked = tracker.update(None, weak)
    assert (ids(tracked), len(tracked.rows)) == ([], 0)
    assert ids(tracker.update(None, make_people((50, 0)))) == [1]
    assert ids(tracker.update(None, weak)) == [1]


def test_one_person_found_twice_is_one_and_the_higher_scoring_finding_stays():
    twice = make_people((50, 0), (51, 1), (200, 0), score=[0.6, 0.9, 0.7])
    tracked = make_tracker().update(None, twice)
    assert tracked.rows.tolist() == [1, 2]


def test_people_who_embrace_stay_two():
    pair = make_people((50, 0), (58, 4))
    left, right = pair.boxes_xyxy
    overlap = (min(left[2], right[2]) - right[0]) * (left[3] - right[1]) / (2 * 2400 - 22 * 76)
    assert overlap > 0.5
    tracker = make_tracker()
    for _ in range(3):
        assert ids(tracker.update(None, pair)) == [1, 2]


def test_hidden_keypoints_do_not_cost_the_id():
    tracker = make_tracker()
    people = make_people((50, 0))
    assert ids(tracker.update(None, people)) == [1]
    scores, points = people.keypoint_scores.copy(), people.keypoints_xy.copy()
    scores[0, 3:] = 0.05
    points[0, 3:] = np.nan
    half = People(people.boxes_xyxy, people.box_scores, points, scores)
    assert ids(tracker.update(None, half)) == [1]
    assert ids(tracker.update(make_image(), half)) == [1]
    assert ids(tracker.update(make_image(), people)) == [1]


# ---- images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["dis", "farneback"])
def test_flow_carries_ids_over_a_pan_that_standing_poses_would_lose(flow):
    moves = [0, 30, 60, 90]
    with_flow, without = make_tracker(flow=flow), make_tracker(flow=flow)
    carried = [with_flow.update(make_image(shift=x), make_people((100 + x, 20))) for x in moves]
    broken = [without.update(None, make_people((100 + x, 20))) for x in moves]
    assert [ids(tracked) for tracked in carried] == [[1], [1], [1], [1]]
    assert [ids(tracked) for tracked in broken] == [[1], [2], [3], [4]]


def test_flow_carries_on_while_a_person_is_missed():
    tracker = make_tracker(queue_frames=4)
    tracker.update(make_image(shift=0), make_people((60, 20)))
    for x in (20, 40, 60):
        tracker.update(make_image(shift=x), make_people())
    assert ids(tracker.update(make_image(shift=80), make_people((140, 20)))) == [1]


def test_nobody_is_matched_across_a_cut():
    tracker = make_tracker()
    people = make_people((100, 20), (200, 20))
    assert ids(tracker.update(make_image(0), people)) == [1, 2]
    assert ids(tracker.update(make_image(0), people)) == [1, 2]
    assert ids(tracker.update(make_image(1), people)) == [3, 4]
    assert ids(tracker.update(make_image(1), people)) == [3, 4]
    assert ids(tracker.update(make_image(0), people)) == [5, 6]


def test_ids_last_at_dusk_and_cuts_are_still_found():
    tracker = make_tracker()
    people = make_people((100, 20))

    def dim(seed):
        return (make_image(seed) * 0.08 + 6).astype(np.uint8)

    for _ in range(4):
        assert ids(tracker.update(dim(0), people)) == [1]
    assert ids(tracker.update(dim(1), people)) == [2]


def test_a_cut_can_be_ignored():
    tracker = make_tracker(scene_cut_similarity=-1)
    people = make_people((100, 20))
    tracker.update(make_image(0), people)
    assert ids(tracker.update(make_image(0), people)) == [1]


@pytest.mark.parametrize("level", [0, 255])
def test_a_flash_or_black_frame_does_not_cut_but_does_not_hide_a_cut_either(level):
    people, blank = make_people((100, 20)), np.full((120, 400, 3), level, np.uint8)
    same, other = make_tracker(), make_tracker()
    for tracker in (same, other):
        tracker.update(make_image(0), people)
        tracker.update(blank, make_people())
    assert ids(same.update(make_image(0), people)) == [1]
    assert ids(other.update(make_image(1), people)) == [2]


def test_a_stream_that_changes_its_size_goes_on():
    tracker = make_tracker()
    tracker.update(make_image(), make_people((100, 20)))
    people = make_people((100, 20))
    doubled = People(people.boxes_xyxy * 2, people.box_scores, people.keypoints_xy * 2, people.keypoint_scores)
    large = make_image().repeat(2, axis=0).repeat(2, axis=1)
    assert ids(tracker.update(large, doubled)) == [1]
    assert ids(tracker.update(large, doubled)) == [1]
    assert ids(tracker.update(make_image(), people)) == [1]


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 500, 3), (17, 16, 3)])
def test_tiny_images_are_tracked(shape):
    tracker = make_tracker()
    for _ in range(3):
        tracked = tracker.update(np.full(shape, 90, np.uint8), make_people((0, 0)))
    assert ids(tracked) == [1]


def test_images_may_be_missing_now_and_then():
    tracker = make_tracker()
    for image in (make_image(), None, make_image(), None, None, make_image()):
        assert ids(tracker.update(image, make_people((100, 20)))) == [1]


# ---- input ------------------------------------------------------------------------------------------


def test_frames_with_nobody():
    tracker = make_tracker()
    for image in (None, make_image(), make_image()):
        tracked = tracker.update(image, make_people(), Estimator((0, 0)))
        assert (len(tracked.propagated), ids(tracked), tracked.rows.tolist()) == (0, [], [])
        assert tracked.track_ids.dtype == tracked.rows.dtype == np.int64
        assert tracked.propagated.keypoints_xy.shape == (0, K, 2)


def test_a_person_with_no_usable_keypoint_harms_nobody():
    people = make_people((100, 20), (200, 20))
    points = people.keypoints_xy.copy()
    points[0] = np.inf
    wild = People(people.boxes_xyxy, people.box_scores, points, people.keypoint_scores)
    tracker = make_tracker()
    tracker.update(make_image(), wild)
    tracked = tracker.update(make_image(), wild, Estimator((100, 20)))
    assert ids(tracked)[1] == 2
    assert len(set(ids(tracked))) == len(ids(tracked))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_ids_are_always_unique_and_rows_true(seed):
    rng = np.random.default_rng(seed)
    tracker = make_tracker(queue_frames=int(rng.integers(0, 4)))
    known = set()
    for _ in range(6):
        people = make_people(*rng.uniform((0, 0), (120, 60), (rng.integers(0, 6), 2)), keypoint_score=0.75)
        estimator = Estimator(*rng.uniform((0, 0), (120, 60), (3, 2)))
        tracked = tracker.update(make_image(), people, estimator)
        assert len(set(ids(tracked))) == len(ids(tracked)) == len(tracked.rows) + len(tracked.propagated)
        new = set(ids(tracked)) - known
        assert all(track_id > max(known, default=0) for track_id in new)
        known |= new
        assert sorted(set(tracked.rows.tolist())) == tracked.rows.tolist()
        assert set(tracked.rows.tolist()) <= set(range(len(people)))
        boxes = tracked.propagated.boxes_xyxy
        assert (boxes[:, 2:] > boxes[:, :2]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flow": "diss"}, "flow: expected one of dis, farneback, raft, got 'diss'"),
        ({"match": "best"}, "match: expected one of greedy, hungarian, got 'best'"),
        ({"queue_frames": -1}, "queue_frames: expected a number from 0 to 10000, got -1"),
        ({"min_oks": 0.0}, "min_oks: expected"),
        ({"nms_oks": 1.1}, "nms_oks: expected"),
        ({"propagation_min_score": float("nan")}, "propagation_min_score: expected"),
        ({"flow_longest_side_px": 8}, "flow_longest_side_px: expected"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        FlowTrackerConfig(**settings)


def test_wrong_input_is_refused():
    tracker = make_tracker()
    with pytest.raises(ValueError, match=r"image: expected \(H, W, 3\) uint8, got \(4, 4\) uint8"):
        tracker.update(np.zeros((4, 4), np.uint8), make_people())
    with pytest.raises(ValueError, match=r"image: expected .* float32"):
        tracker.update(np.zeros((4, 4, 3), np.float32), make_people())
    with pytest.raises(ValueError, match="people: expected 5 keypoints, one a sigma, got 3"):
        tracker.update(None, People(np.zeros((0, 4)), [], np.zeros((0, 3, 2)), np.zeros((0, 3))))
    with pytest.raises(ValueError, match="sigmas: expected K positive numbers"):
        FlowTracker(np.array([0.1, 0.0]))
