"""Each edit: what it makes of the poses, what it says of the tracks, and when it is refused."""

import doctest
from pathlib import Path

import numpy as np
import pytest
from made_crossing import HEADER, make_people, make_pose, write_poses

from posetrack.edits import editor as editor_module
from posetrack.edits.editor import PosesEditor
from posetrack.edits.tracks import EditedTracks
from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.poses import read_poses


@pytest.fixture
def editor(poses):
    return PosesEditor(poses)


def read_ids(path, **options):
    """The ids of each frame."""
    return [frame.instances.track_ids.tolist() for frame in read_poses(path, **options)]


def check_tracks(editor):
    """The tracks that are computed from the index are those of the frames as they are read."""
    seen = {}
    for position, ids in enumerate(read_ids(editor.path)):
        for track_id in ids:
            seen.setdefault(track_id, set()).add(position)
    tracks = {
        track_id: {i for start, stop in runs.tolist() for i in range(start, stop)}
        for track_id, runs in editor.tracks.runs.items()
    }
    assert tracks == seen
    for runs in editor.tracks.runs.values():
        assert (np.diff(runs.ravel()) > 0).all()


def refuse(action):
    with pytest.raises(ResultsError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_swap_mends_what_the_tracker_swapped(editor):
    assert [suspect.frame for suspect in editor.tracks.suspects] == [25, 25]
    assert {(suspect.track_id, suspect.other) for suspect in editor.tracks.suspects} == {(1, 2), (2, 1)}
    editor.swap(1, 2, 25)
    assert editor.tracks.suspects == []
    for frame in read_poses(editor.path):
        people = frame.instances
        x = people.keypoints_xy[people.track_ids == 1, 0, 0]
        assert x.tolist() == [100 + 4 * frame.index]
    # The file is as it was.
    assert read_ids(editor.path, raw=True)[25] == [1, 2]
    check_tracks(editor)


def test_split_and_merge_are_inverse(editor):
    before = read_ids(editor.path)
    assert editor.split(2, 25).new == 3
    assert read_ids(editor.path)[24:26] == [[1, 2], [1, 3]]
    check_tracks(editor)
    # A third time another id, also of one that is gone since.
    editor.merge(2, 3)
    assert read_ids(editor.path) == before
    assert editor.split(2, 10).new == 4
    check_tracks(editor)


def test_merge_of_who_is_in_one_frame(editor):
    message = refuse(lambda: editor.merge(1, 2))
    assert message.endswith("merge: 1 and 2 are both in frame 0; delete one there first")
    editor.delete(1, last=29)
    assert "both in frame 34" in refuse(lambda: editor.merge(1, 2))
    assert not any(1 in ids for ids in read_ids(editor.path)[:34])
    editor.delete(1)
    assert read_ids(editor.path) == [[2]] * 40
    assert "no id 1; ids there: 2" in refuse(lambda: editor.merge(1, 2))
    check_tracks(editor)


def test_rename(editor):
    editor.rename(2, 70)
    assert read_ids(editor.path)[0] == [1, 70]
    assert "id 70 is there already" in refuse(lambda: editor.rename(1, 70))
    for new in (0, 10**9):
        assert "expected an id from 1 to 999999999" in refuse(lambda new=new: editor.rename(1, new))
    # Both ways at once, over a third.
    editor.rename(1, 2)
    editor.rename(70, 1)
    assert read_ids(editor.path)[0] == [2, 1]
    check_tracks(editor)


def test_drop_short(tmp_path):
    pose = make_pose(50, 50)
    frames = [make_people([1], [pose])] * 30
    frames[3:8] = [make_people([1, 5], [pose, pose + 90])] * 5
    frames[29] = make_people([1, 6], [pose, pose + 90])
    editor = PosesEditor(write_poses(tmp_path / "some.jsonl", frames))
    assert editor.tracks.measure_s() == pytest.approx({1: 1.2, 5: 0.2, 6: 0.04})
    assert "the shortest is 0.04 s" in refuse(lambda: editor.drop_short(0.04))
    assert "more than 0" in refuse(lambda: editor.drop_short(float("nan")))
    assert editor.drop_short(0.2).track_ids == (6,)
    assert editor.drop_short(1.0).track_ids == (5,)
    assert read_ids(editor.path) == [[1]] * 30
    assert editor.log.path == tmp_path / "some.edits.jsonl"
    check_tracks(editor)


@pytest.mark.parametrize("smoothed", [False, True])
def test_a_moved_keypoint(tmp_path, smoothed):
    pose = make_pose(50, 50)
    frame = make_people([4, 7], [pose, pose + 100], smoothed=smoothed)
    editor = PosesEditor(write_poses(tmp_path / "poses.jsonl", [frame] * 3))
    editor.move_keypoint(7, 1, "left_wrist", (20.123, 300))
    editor.move_keypoint(7, 1, 0, None)
    k = HEADER.skeleton.names.index("left_wrist")
    before, moved, after = (each.instances for each in read_poses(editor.path))
    assert moved.keypoints_xy[1, k].tolist() == pytest.approx([20.12, 300])
    assert moved.drawn_xy[1, k].tolist() == pytest.approx([20.12, 300])
    assert moved.keypoint_scores[1, k] == 1
    assert moved.keypoint_scores[1, 0] == 0
    assert moved.boxes_xyxy[1].tolist() == pytest.approx([20.12, 150, 182, 300])
    others = np.arange(17) != k
    np.testing.assert_array_equal(moved.keypoints_xy[1, others], before.keypoints_xy[1, others])
    np.testing.assert_array_equal(moved.keypoints_xy[0], before.keypoints_xy[0])
    np.testing.assert_array_equal(after.boxes_xyxy, before.boxes_xyxy)


def test_keypoints_that_cannot_be_moved(editor, tmp_path):
    move = editor.move_keypoint
    assert "1 is not in frame 31; it is in 0 to 39" in refuse(lambda: move(1, 31, "nose", (1, 1)))
    assert "no frame 99; the file has 0 to 39" in refuse(lambda: move(1, 99, "nose", (1, 1)))
    assert "no left_thumb; there are nose, left_eye" in refuse(lambda: move(1, 3, "left_thumb", (1, 1)))
    assert "no 17" in refuse(lambda: move(1, 3, 17, (1, 1)))
    assert "far outside of the image, 640 x 360 px" in refuse(lambda: move(1, 3, "nose", (9999, 1)))
    assert "far outside" in refuse(lambda: move(1, 3, "nose", (float("nan"), 1)))
    boxes = Instances(boxes_xyxy=[[1, 2, 30, 40]], box_scores=[0.5], track_ids=[1])
    only_boxes = PosesEditor(write_poses(tmp_path / "boxes.jsonl", [boxes]))
    assert "boxes only" in refuse(lambda: only_boxes.move_keypoint(1, 0, "nose", (1, 1)))
    assert not editor.log.path.exists()


def test_interpolate(editor):
    # 1 has been the other person from 25 on: the one who walks to the left, at 300 - 4 * frame.
    editor.interpolate(1)
    check_tracks(editor)
    for frame in read_poses(editor.path):
        people = frame.instances
        row = people.track_ids.tolist().index(1)
        is_filled = people.is_interpolated is not None and bool(people.is_interpolated[row])
        assert is_filled == (30 <= frame.index < 34)
        if is_filled:
            assert people.keypoints_xy[row, 0].tolist() == pytest.approx([300 - 4 * frame.index, 60])
            assert people.keypoint_scores[row] == pytest.approx(np.full(17, 0.8))
    assert "1, in frames 0 to 39, has no gap there" in refuse(lambda: editor.interpolate(1))


def test_interpolate_some_gaps(tmp_path):
    pose = make_pose(50, 50)
    there = [0, 4, 5, 9, 12]
    frames = [make_people([1], [pose + 10 * i]) if i in there else Instances.empty(17) for i in range(13)]
    editor = PosesEditor(write_poses(tmp_path / "poses.jsonl", frames))
    edit = editor.interpolate(1, first=6, last=8)
    assert [(a.frame, b.frame) for a, b in edit.gaps] == [(5, 9)]
    assert [(a.frame, b.frame) for a, b in editor.interpolate(1).gaps] == [(0, 4), (9, 12)]
    assert editor.tracks.runs[1].tolist() == [[0, 13]]
    for frame in read_poses(editor.path):
        assert frame.instances.keypoints_xy[0, 0, 0] == pytest.approx(50 + 10 * frame.index)
    check_tracks(editor)


def test_boxes_interpolated_where_nobody_is_have_no_keypoints(tmp_path):
    boxes = [Instances(np.array([[10.0 * i, 0, 10 * i + 40, 80]]), track_ids=np.array([1])) for i in range(4)]
    frames = [boxes[0], Instances.empty(17), Instances.empty(17), boxes[3]]
    editor = PosesEditor(write_poses(tmp_path / "poses.jsonl", frames))
    editor.interpolate(1)
    filled = list(read_poses(editor.path))[1].instances
    assert filled.boxes_xyxy[0].tolist() == pytest.approx([10, 0, 50, 80])
    assert filled.keypoints_xy is None


def test_undo_and_redo(editor):
    raw = read_ids(editor.path)
    assert "nothing to undo" in refuse(editor.undo)
    editor.swap(1, 2, 25)
    editor.rename(2, 5)
    after = read_ids(editor.path)
    assert str(editor.undo()) == "rename 2 5"
    assert str(editor.undo()) == "swap 1 2 --frame 25"
    assert read_ids(editor.path) == raw
    assert len(editor.tracks.suspects) == 2
    editor.redo()
    editor.redo()
    assert read_ids(editor.path) == after
    assert "nothing to redo" in refuse(editor.redo)
    # A new edit ends what could be made again.
    editor.undo()
    editor.rename(1, 9)
    assert "nothing to redo" in refuse(editor.redo)
    check_tracks(editor)


def test_two_editors_of_one_file(editor, poses):
    other = PosesEditor(poses)
    editor.rename(1, 9)
    assert "no id 1; ids there: 2, 9" in refuse(lambda: other.delete(1))
    other.swap(2, 9, 25)
    assert editor.refresh()
    assert not editor.refresh()
    assert read_ids(poses)[25] == [2, 9]
    assert [str(edit) for edit in editor.log.edits] == ["rename 1 9", "swap 2 9 --frame 25"]
    assert str(editor.undo()) == "swap 2 9 --frame 25"
    check_tracks(editor)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (lambda editor: editor.split(1, 0), "1 is in frames 0 to 39; split it after the first"),
        (lambda editor: editor.split(1, 40), "1 is in frames 0 to 39"),
        (lambda editor: editor.swap(1, 2, 40), "1 and 2 are not there from frame 40 on; last in 39"),
        (lambda editor: editor.swap(1, 1, 4), "1 twice"),
        (lambda editor: editor.delete(1, 30, 33), "1 is in none of these frames; it is in 0 to 39"),
        (lambda editor: editor.delete(1, 9, 3), "1 is in none of these frames"),
        (lambda editor: editor.delete(-1), "no id -1"),
        (lambda editor: editor.interpolate(2), "has no gap"),
        (lambda editor: editor.interpolate(1, last=20), "has no gap"),
    ],
)
def test_refused(editor, action, said):
    assert said in refuse(lambda: action(editor))
    assert editor.log.edits == ()


def test_random_edits_leave_index_and_frames_alike(editor):
    rng = np.random.default_rng(3)
    actions = [
        lambda a, b, _: editor.merge(a, b),
        lambda a, _, frame: editor.split(a, frame),
        lambda a, b, frame: editor.swap(a, b, frame),
        lambda a, b, _: editor.rename(a, b + 1),
        lambda a, _, frame: editor.delete(a, frame, frame + 1),
        lambda a, _, frame: editor.move_keypoint(a, frame, "nose", (3, 4)),
        lambda a, *_: editor.interpolate(a),
        lambda *_: editor.undo(),
        lambda *_: editor.redo(),
    ]
    for _ in range(150):
        ids = [*editor.tracks.runs, 99]
        a, b, frame = int(rng.choice(ids)), int(rng.choice(ids)), int(rng.integers(0, 40))
        try:
            actions[rng.integers(len(actions))](a, b, frame)
        except ResultsError:
            continue
    assert len(editor.log.edits) > 15
    check_tracks(editor)
    again = PosesEditor(editor.path)
    assert again.log.edits == editor.log.edits
    assert {i: runs.tolist() for i, runs in again.tracks.runs.items()} == {
        i: runs.tolist() for i, runs in editor.tracks.runs.items()
    }
    # Frames that are read out of order are those of one pass.
    frames = {frame.index: frame.instances for frame in read_poses(editor.path)}
    for start in (33, 7, 0, 25):
        for record in editor.read(start, start + 3):
            np.testing.assert_array_equal(record.instances.track_ids, frames[record.frame].track_ids)
            np.testing.assert_array_equal(record.instances.keypoints_xy, frames[record.frame].keypoints_xy)


def test_tracks_without_edits_are_those_of_the_index(editor):
    assert EditedTracks.of(editor.index).runs is editor.index.runs


def test_the_example_runs(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[3])
    assert doctest.testmod(editor_module) == (0, 4)
