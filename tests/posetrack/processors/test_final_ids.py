"""Frames after the pass: ids, dropped tracks and filled gaps."""

import numpy as np
import pytest

from posetrack.frame import Frame, Instances
from posetrack.processors.camera_path import CameraPath
from posetrack.processors.final_ids import give_final_ids
from posetrack.processors.stitch import StitchPlan

IMAGE = np.zeros((400, 600, 3), np.uint8)
NOTHING = StitchPlan({}, frozenset(), 0)
K = 3


def make_people(*people):
    """People of (id, x): points at (x, 100 + k), boxes 20 wide and 40 high around them."""
    ids, xs = np.array(people, float).reshape(-1, 2).T
    points = np.stack(np.broadcast_arrays(xs[:, None], 100 + np.arange(K)), axis=2)
    return Instances(
        boxes_xyxy=np.stack([xs - 10, 80 + 0 * xs, xs + 10, 120 + 0 * xs], axis=1),
        box_scores=0.5 + xs / 2000,
        keypoints_xy=points,
        keypoint_scores=np.full((len(xs), K), 0.9),
        track_ids=ids.astype(int),
    )


def finish(people, plan=NOTHING, *, step_s=0.04, motion=None, cuts=(), limit_s=0.4):
    path = CameraPath()
    motion = np.eye(2, 3, dtype=np.float32) if motion is None else motion
    frames = []
    for i, each in enumerate(people):
        path.add(i * step_s, None if i == 0 or i in cuts else motion, IMAGE.shape[1::-1])
        frames.append(Frame(i, i * step_s, IMAGE, each))
    out = list(give_final_ids(plan, path, max_interpolated_s=limit_s)(iter(frames)))
    assert [frame.index for frame in out] == list(range(len(frames)))
    return [frame.instances for frame in out]


def find_x(people, track_id):
    return [each.keypoints_xy[each.track_ids == track_id, 0, 0].tolist() for each in people]


def test_ids_are_joined_and_tracks_dropped():
    out = finish([make_people((1, 50), (2, 90)), make_people((3, 50), (2, 90))], StitchPlan({3: 1}, {2}, 0))
    assert [each.track_ids.tolist() for each in out] == [[1], [1]]
    assert all(each.is_interpolated is None for each in out)


def test_a_gap_is_filled_linearly_and_marked():
    out = finish([make_people((1, 100)), make_people((2, 500)), make_people(), make_people((1, 130))])
    np.testing.assert_allclose(find_x(out, 1), [[100], [110], [120], [130]], atol=1e-4)
    marks = [[] if each.is_interpolated is None else each.is_interpolated.tolist() for each in out]
    assert marks == [[], [False, True], [True], []]
    np.testing.assert_allclose(out[2].boxes_xyxy, [[110, 80, 130, 120]], atol=1e-4)
    np.testing.assert_allclose(out[2].box_scores, [0.55])


def test_who_was_found_in_a_gap_under_a_dropped_id_fills_it():
    """Id 2 is seen where 1 is missing, id 3 elsewhere: nothing needs to be invented in that frame."""
    people = [
        make_people((1, 100)),
        make_people((2, 113), (3, 300)),
        make_people((3, 300)),
        make_people((1, 130)),
    ]
    out = finish(people, StitchPlan({}, frozenset({2, 3}), 1))
    np.testing.assert_allclose(find_x(out, 1), [[100], [113], [120], [130]], atol=1e-4)
    assert [each.track_ids.tolist() for each in out] == [[1]] * 4
    assert [bool(each.is_interpolated is not None and each.is_interpolated[0]) for each in out] == [0, 0, 1, 0]


def test_a_gap_between_joined_tracks_is_filled_too():
    out = finish(
        [make_people((1, 100)), make_people(), make_people((2, 120))], StitchPlan({2: 1}, frozenset(), 1)
    )
    np.testing.assert_allclose(find_x(out, 1), [[100], [110], [120]], atol=1e-4)


def test_under_a_pan_people_stay_on_the_background():
    """The camera pans by 30 and zooms: someone who stands is carried along exactly."""
    motion = np.array([[1.1, 0, -30], [0, 1.1, 4]], np.float32)
    people = [make_people((1, 200))]
    for _ in range(3):
        last = people[-1]
        boxes = (last.boxes_xyxy.reshape(1, 2, 2) @ motion[:, :2].T + motion[:, 2]).reshape(1, 4)
        xy = last.keypoints_xy @ motion[:, :2].T + motion[:, 2]
        people.append(last.with_columns(boxes_xyxy=boxes, keypoints_xy=xy))
    out = finish([people[0], make_people(), make_people(), people[3]], motion=motion)
    for found, true in zip(out, people, strict=True):
        np.testing.assert_allclose(found.keypoints_xy, true.keypoints_xy, atol=1e-3)
        np.testing.assert_allclose(found.boxes_xyxy, true.boxes_xyxy, atol=1e-3)


@pytest.mark.parametrize(
    ("step_s", "missing", "is_filled"),
    [(0.04, 9, True), (0.04, 10, False), (0.1, 3, True), (0.1, 4, False), (0.3, 1, False)],
)
def test_gaps_are_filled_up_to_a_time(step_s, missing, is_filled):
    people = [make_people((1, 100)), *[make_people()] * missing, make_people((1, 100))]
    out = finish(people, step_s=step_s)
    assert [len(each) for each in out[1:-1]] == [int(is_filled)] * missing


def test_nothing_is_invented_across_a_cut_or_outside_the_image():
    assert len(finish([make_people((1, 100)), make_people(), make_people((1, 100))], cuts=[1])[1]) == 0
    assert len(finish([make_people((1, -100)), make_people(), make_people((1, -100))])[1]) == 0


def test_times_between_frames_count_not_their_number():
    path = CameraPath()
    frames = []
    for i, (time_s, people) in enumerate([(0, [(1, 100)]), (0.1, []), (0.3, []), (0.4, [(1, 140)])]):
        path.add(time_s, np.eye(2, 3), IMAGE.shape[1::-1])
        frames.append(Frame(i, time_s, IMAGE, make_people(*people)))
    out = [frame.instances for frame in give_final_ids(NOTHING, path, max_interpolated_s=0.4)(iter(frames))]
    np.testing.assert_allclose(find_x(out, 1), [[100], [110], [130], [140]], atol=1e-4)


def test_few_frames_are_held_back():
    path = CameraPath()
    taken = 0

    def count():
        nonlocal taken
        for i in range(100):
            path.add(i / 25, np.eye(2, 3), IMAGE.shape[1::-1])
            taken += 1
            yield Frame(i, i / 25, IMAGE, make_people((1, 100)))

    for i, _ in enumerate(give_final_ids(NOTHING, path, max_interpolated_s=0.4)(count())):
        assert taken - i <= 13


def test_frames_without_ids_pass():
    (out,) = finish([Instances()])
    assert len(out) == 0
