"""What is remembered of tracks and of the camera."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.frame import Frame, Instances
from posetrack.processors.camera_path import _BLOCK_FRAMES, CameraPath, is_short_gap
from posetrack.processors.tracklets import TrackletCollector, join_tracklets
from posetrack.skeleton import COCO_17

IMAGE = np.zeros((100, 200, 3), np.uint8)


def to_square(affine):
    return np.concatenate([affine, [[0, 0, 1]]])


@given(st.integers(0, 10_000), st.integers(0, 2 * _BLOCK_FRAMES + 5), st.integers(0, 2 * _BLOCK_FRAMES + 5))
def test_maps_between_frames_are_the_product_of_the_motions(seed, start, end):
    rng = np.random.default_rng(seed)
    motions = np.eye(2, 3) + rng.normal(0, [0.001, 0.001, 1], (2 * _BLOCK_FRAMES + 6, 2, 3))
    path = CameraPath()
    for i, motion in enumerate(motions):
        path.add(i / 25, None if i == 0 else motion.astype(np.float32), (640, 480))
    expected = np.eye(3)
    for motion in motions[min(start, end) + 1 : max(start, end) + 1]:
        expected = to_square(motion) @ expected
    expected = expected if start <= end else np.linalg.inv(expected)
    np.testing.assert_allclose(path.map_between(start, end), expected[:2], rtol=1e-3, atol=1e-2)


def test_a_steady_zoom_of_an_hour_loses_no_precision():
    zoom = np.array([[1.01, 0, -3.2], [0, 1.01, -1.8]], np.float32)
    path = CameraPath()
    for i in range(20_000):
        path.add(i / 25, zoom, (640, 480))
    np.testing.assert_allclose(path.map_between(19_990, 19_991), zoom, rtol=1e-6)


def test_cuts_divide_shots_and_gaps_are_short_within_one_only():
    path = CameraPath()
    for i, motion in enumerate([None, np.eye(2, 3), None, np.eye(2, 3), np.eye(2, 3), np.eye(2, 3)]):
        path.add(i / 10, motion, (640, 480))
    assert [path.get_shot(i) for i in range(6)] == [0, 0, 1, 1, 1, 1]
    assert path.get_step_s(3) == pytest.approx(0.1)
    assert not is_short_gap(path, 1, 3, 1.0)
    assert not is_short_gap(path, 2, 3, 1.0)
    assert is_short_gap(path, 2, 4, 0.2)
    assert not is_short_gap(path, 2, 5, 0.2)


def tracklets_of(collector):
    """What a collector remembers of each track."""
    return {
        track_id: join_tracklets(parts, collector.path, max_interpolated_s=0.2)
        for track_id, parts in collector.parts.items()
    }


def make_frame(index, ids, *, fps=25.0, interpolated=None):
    boxes = [[10 * i, 10, 10 * i + 20, 90] for i in ids]
    people = Instances(
        boxes_xyxy=np.reshape(boxes, (-1, 4)),
        track_ids=np.array(ids, int),
        keypoints_xy=np.full((len(ids), 17, 2), 50.0),
        keypoint_scores=np.ones((len(ids), 17)),
        is_interpolated=interpolated,
    )
    return Frame(index, index / fps, IMAGE, people, COCO_17, background_motion=np.eye(2, 3, dtype=np.float32))


def test_tracklets_are_collected():
    collector = TrackletCollector(COCO_17, max_interpolated_s=0.2)
    for i, ids in enumerate([[1, -1], [1, 2], [2], [1, 2], [2]]):
        collector(make_frame(i, ids))
    first, second = (tracklets_of(collector)[i] for i in (1, 2))
    assert (first.first, first.last, first.num_frames, first.num_short_gaps) == (0, 3, 3, 1)
    assert (second.first, second.last, second.num_frames, second.num_short_gaps) == (1, 4, 4, 0)
    assert first.tail[-1].position == 3
    assert tracklets_of(collector).keys() == {1, 2}


@pytest.mark.parametrize("fps", [10, 25, 60, 240])
def test_sightings_span_the_same_time_at_any_frame_rate_and_memory_is_bounded(fps):
    collector = TrackletCollector(COCO_17, max_interpolated_s=0.2)
    for i in range(4 * fps):
        collector(make_frame(i, [1], fps=fps))
    tracklet = tracklets_of(collector)[1]
    assert (len(tracklet.head), len(tracklet.tail)) == (8, 8)
    for seen in (tracklet.head, tracklet.tail):
        assert seen[-1].time_s - seen[0].time_s == pytest.approx(7 * max(0.04, 1 / fps), rel=0.3)
    assert tracklet.tail[-1].position == 4 * fps - 1
    assert tracklet.head[0].position == 0


def test_interpolated_people_hold_their_place_but_are_no_evidence():
    collector = TrackletCollector(COCO_17, max_interpolated_s=0.2)
    for i in range(4):
        collector(make_frame(i, [1], interpolated=[i in (1, 2)]))
    tracklet = tracklets_of(collector)[1]
    assert (tracklet.num_frames, tracklet.num_short_gaps, tracklet.last) == (2, 0, 3)


def test_frames_without_ids_or_boxes_pass():
    collector = TrackletCollector(COCO_17, max_interpolated_s=0.2)
    collector(Frame(0, 0.0, IMAGE))
    assert (len(collector.path), tracklets_of(collector)) == (1, {})


def test_a_clock_that_goes_back_counts_as_no_time():
    path = CameraPath()
    for time_s in (0, 0.1, 0.2, -1000, -999.9, -999.8):
        path.add(time_s, np.eye(2, 3), (640, 480))
    np.testing.assert_allclose([path.get_time_s(i) for i in range(6)], [0, 0.1, 0.2, 0.2, 0.3, 0.4])
    np.testing.assert_allclose([path.get_step_s(i) for i in range(6)], [0.1, 0.1, 0.1, 0, 0.1, 0.1])


def test_nobody_is_filled_in_where_the_clock_stands_still():
    path = CameraPath()
    for _ in range(300):
        path.add(0.0, np.eye(2, 3), (640, 480))
    assert not is_short_gap(path, 0, 299, 0.4)


def test_sizes_of_images_may_change():
    path = CameraPath()
    for i in range(10):
        path.add(i / 25, np.eye(2, 3), (640, 480) if i < 4 else (320, 240))
    assert [path.get_size_wh(i) for i in (0, 3, 4, 9)] == [(640, 480), (640, 480), (320, 240), (320, 240)]


def test_sightings_have_the_times_of_the_path():
    collector = TrackletCollector(COCO_17, max_interpolated_s=0.4, look_at_images=False)
    person = Instances(boxes_xyxy=[[10, 10, 40, 90]], track_ids=[1])
    for i, time_s in enumerate((5.0, 5.1, -1000.0, -999.9)):
        image = np.zeros((96, 128, 3), np.uint8)
        collector(Frame(i, time_s, image, person, background_motion=np.eye(2, 3)))
    times_s = [sighting.time_s for sighting in tracklets_of(collector)[1].tail]
    assert times_s == sorted(times_s)
    assert times_s[-1] == pytest.approx(5.2)


def test_nobody_was_seen_during_a_late_step():
    collector = TrackletCollector(COCO_17, max_interpolated_s=0.2, look_at_images=False)
    for index in [*range(20), 70, 71, 72]:
        collector(make_frame(index, [1] if index < 70 else [1, 2]))
    assert tracklets_of(collector)[1].seen_s == pytest.approx(22 * 0.04)
    assert tracklets_of(collector)[2].seen_s == pytest.approx(3 * 0.04)
