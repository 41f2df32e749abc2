"""Tracks that have changed bodies where people met."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.processors.exchange import Exchange, exchange_ids, find_exchanges, join_parts
from posetrack.processors.meetings import MeetingWatch, measure_overlaps
from posetrack.processors.tracklets import TrackletCollector
from posetrack.skeleton import COCO_17
from trackers.appearance import NUM_BINS, PARTS

IMAGE = np.zeros((200, 600, 3), np.uint8)
FPS = 25
WIDTH = 40


def dress(colour, *, noise=0.0):
    """Clothes of one colour, some of which is seen in others."""
    clothes = np.full((PARTS, NUM_BINS), noise / NUM_BINS, np.float32)
    clothes[:, colour] += 1 - noise
    return clothes


def make_frames(paths, ids, seconds=4.0):
    """Frames of people who walk from x to x, with the ids that a tracker gives: a list a frame."""
    frames = []
    for i in range(int(seconds * FPS)):
        part = i / (seconds * FPS)
        xs = [start + (end - start) * part for start, end in paths]
        boxes = [[x, 40, x + WIDTH, 160] for x in xs]
        people = Instances(boxes_xyxy=boxes, track_ids=ids(i))
        motion = np.eye(2, 3, dtype=np.float32)
        frames.append(Frame(i, i / FPS, IMAGE, people, COCO_17, background_motion=motion))
    return frames


def collect(frames, colours):
    """Collect the tracks of frames in which the person of row n wears the n-th colour."""

    def describe(frame, people):
        xs = frame.instances.boxes_xyxy[:, 0]
        rows = [int(np.argmin(abs(xs - box[0]))) for box in people.boxes_xyxy]
        return np.stack([dress(colours[row], noise=0.2) for row in rows])

    collector = TrackletCollector(COCO_17, max_interpolated_s=0.4, describe=describe)
    for frame in frames:
        collector(frame)
    return collector


def repair(frames, colours):
    """Exchange ids, and give those of each row in each frame, and what is remembered of each id."""
    collector = collect(frames, colours)
    exchanges = find_exchanges(collector.parts, collector.meetings, collector.path, 0.2)
    ids = [frame.instances.track_ids.tolist() for frame in exchange_ids(exchanges)(iter(frames))]
    joined = join_parts(collector.parts, exchanges, collector.path, 0.4)
    return ids, {tracklet.track_id: tracklet for tracklet in joined}, exchanges


CROSSING = ((0, 400), (400, 0))
MIDDLE = 50


def exchanged(i):
    return [1, 2] if i < MIDDLE else [2, 1]


def test_tracks_that_changed_bodies_are_exchanged_where_people_were_closest():
    ids, tracklets, exchanges = repair(make_frames(CROSSING, exchanged), (3, 30))
    assert ids == [[1, 2]] * 100
    assert exchanges == (Exchange(MIDDLE, {1: 2, 2: 1}),)
    # What is remembered is that of the people, not of the bodies.
    for track_id, colour in ((1, 3), (2, 30)):
        tracklet = tracklets[track_id]
        assert tracklet.appearance[0].argmax() == colour
        assert (tracklet.first, tracklet.last, tracklet.num_frames, tracklet.num_short_gaps) == (0, 99, 100, 0)
        assert tracklet.tail[-1].box_xyxy[0] == pytest.approx(396 if track_id == 1 else 4)


@pytest.mark.parametrize("colours", [(3, 30), (3, 3)])
def test_who_kept_their_body_keeps_the_id(colours):
    frames = make_frames(CROSSING, lambda _: [1, 2])
    ids, _, exchanges = repair(frames, colours)
    assert ids == [[1, 2]] * 100
    assert exchanges == ()


def test_the_same_clothes_say_nothing():
    _, _, exchanges = repair(make_frames(CROSSING, exchanged), (3, 3))
    assert exchanges == ()


def test_who_never_met_is_not_exchanged():
    _, _, exchanges = repair(make_frames(((0, 100), (400, 300)), exchanged), (3, 30))
    assert exchanges == ()


def test_who_was_not_seen_alone_afterwards_stays():
    # They meet and go on together.
    _, _, exchanges = repair(
        make_frames(((0, 200), (400, 205)), lambda i: [1, 2] if i < 95 else [2, 1]), (3, 30)
    )
    assert exchanges == ()


def test_three_who_meet_may_go_around():
    def around(i):
        return [1, 2, 3] if i < MIDDLE else [3, 1, 2]

    paths = ((0, 400), (400, 0), (190, 210))
    ids, _, exchanges = repair(make_frames(paths, around), (3, 30, 60))
    assert len(exchanges) == 1
    assert ids[0] == ids[-1] == [1, 2, 3]
    # People in between who are not in it keep theirs.
    ids, _, _ = repair(make_frames(paths, lambda i: [*exchanged(i), 3]), (3, 30, 60))
    assert ids == [[1, 2, 3]] * 100


def test_later_meetings_are_seen_from_the_exchanged_ids():
    def twice(i):
        return [[1, 2], [2, 1], [1, 2]][(i >= 50) + (i >= 150)]

    back = tuple((end, start) for start, end in CROSSING)
    frames = [*make_frames(CROSSING, twice), *make_frames(back, lambda i: twice(i + 100))]
    frames = [replace(frame, index=i, time_s=i / FPS) for i, frame in enumerate(frames)]
    ids, _, exchanges = repair(frames, (3, 30))
    assert [exchange.owners for exchange in exchanges] == [{1: 2, 2: 1}, {1: 1, 2: 2}]
    assert ids == [[1, 2]] * 200


@pytest.mark.parametrize("end", [49, 55])
def test_who_takes_the_body_of_one_whose_track_ends_gets_their_id(end):
    # The first goes on in the second's track; what is left of their own is the second's.
    def take(i):
        if i < MIDDLE:
            return [1 if i < end else UNTRACKED, 2]
        return [2, 1 if i < end else UNTRACKED if i < 60 else 9]

    ids, tracklets, _ = repair(make_frames(CROSSING, take), (3, 30))
    assert [row[0] for row in ids[MIDDLE:]] == [1] * 50
    assert {row[1] for row in ids[MIDDLE:end]} <= {2}
    assert ids[-1] == [1, 9]
    assert tracklets[1].appearance[0].argmax() == 3
    assert tracklets[2].last == end - 1


def test_a_glimpse_is_no_evidence():
    # Of each part of the body little is described.
    collector = collect(make_frames(CROSSING, exchanged), (3, 30))
    for parts in collector.parts.values():
        parts[-1].alone *= 0.9 / parts[-1].alone[0].sum()
    assert find_exchanges(collector.parts, collector.meetings, collector.path, 0.2) == ()


def test_a_track_that_begins_in_a_meeting_takes_no_part():
    ids, _, exchanges = repair(make_frames(CROSSING, lambda i: [1, UNTRACKED if i < 45 else 2]), (3, 30))
    assert exchanges == ()
    assert ids[-1] == [1, 2]


def test_meetings_are_of_two_with_those_around_them():
    watch = MeetingWatch()
    overlaps = np.eye(4, dtype=np.float32)

    def see(position, *pairs):
        now = overlaps.copy()
        for a, b, much in pairs:
            now[a, b] = now[b, a] = much
        return watch.watch(position, position / FPS, [11, 12, 13, 14], now)

    assert see(0) == []
    (first,) = see(1, (0, 1, 0.4))
    # Only what is clearly more counts.
    assert see(2, (0, 1, 0.44)) == []
    closer = see(3, (0, 1, 0.5), (2, 3, 0.6))
    assert [sorted(meeting.track_ids) for meeting in closer] == [[11, 12], [13, 14]]
    assert (closer[0] is first, first.position) == (True, 3)
    # Those who overlap with one of the two, or did so shortly before, are in it.
    (between,) = see(4, (1, 2, 0.3))
    assert sorted(between.track_ids) == [11, 12, 13, 14]
    assert sorted(first.track_ids) == [11, 12]
    # Long after they parted, those who meet again meet anew.
    (again,) = see(30, (0, 1, 0.4))
    assert again is not first
    assert len(watch.meetings) == 4


def test_overlaps_are_fractions_of_the_smaller_box():
    boxes = np.array([[0, 0, 100, 100], [90, 0, 110, 50], [200, 0, 210, 10], [300, 5, 300, 9]], np.float32)
    expected = np.eye(4)
    expected[0, 1] = expected[1, 0] = 0.5
    expected[3, 3] = 0
    np.testing.assert_allclose(measure_overlaps(boxes), expected)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_what_is_remembered_is_the_same_however_often_people_meet(seed, count):
    rng = np.random.default_rng(seed)
    paths = [tuple(rng.uniform(0, 500, 2)) for _ in range(count)]
    frames = make_frames(paths, lambda _: list(range(count)), seconds=2.0)
    collector = collect(frames, list(range(count)))
    exchanges = find_exchanges(collector.parts, collector.meetings, collector.path, 0.2)
    assert exchanges == ()
    for tracklet in join_parts(collector.parts, exchanges, collector.path, 0.4):
        assert (tracklet.first, tracklet.last, tracklet.num_frames) == (0, 49, 50)
        assert tracklet.seen_s == pytest.approx(1.96)
        assert tracklet.num_short_gaps == 0
        assert [seen.position for seen in tracklet.head] == list(range(8))
        assert [seen.position for seen in tracklet.tail] == list(range(42, 50))
        assert tracklet.appearance.sum() == pytest.approx(10 * PARTS, rel=1e-4)
