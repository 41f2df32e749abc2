"""The index of a file of poses."""

from itertools import pairwise

import numpy as np
import pytest
from made_crossing import HEADER, make_crossing, make_people, make_pose, write_poses

from posetrack.edits.index import index_poses
from posetrack.edits.index_cache import open_index
from posetrack.edits.index_parts import find_borders, index_in_parts, index_part, join_parts
from posetrack.edits.marks import SuspectFinder
from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.jsonl import read_jsonl as read


def test_runs_and_places(poses):
    index = index_poses(poses)
    assert len(index) == 40
    assert index.frames.tolist() == list(range(40))
    assert index.times_s == pytest.approx(np.arange(40) / 25)
    assert {i: runs.tolist() for i, runs in index.runs.items()} == {1: [[0, 30], [34, 40]], 2: [[0, 40]]}
    assert index.num_people.tolist() == [2] * 30 + [1] * 4 + [2] * 6
    assert index.low == {}
    saved = list(read(poses)[1])
    for start, stop in ((0, 1), (12, 30), (39, 99)):
        records = index.read(start, stop)
        assert [record.frame for record in records] == list(range(start, min(stop, 40)))
        for record in records:
            np.testing.assert_array_equal(
                record.instances.keypoints_xy, saved[record.frame].instances.keypoints_xy
            )
    assert index.read(5, 5) == []


def test_frames_with_gaps_between(tmp_path):
    pose = make_pose(50, 50)
    path = tmp_path / "every.jsonl"
    with JsonlWriter(path, HEADER) as writer:
        for frame in (20, 30, 40, 60):
            people = make_people([UNTRACKED, 2], [pose, pose + 40]) if frame != 40 else Instances.empty(17)
            writer.write(frame, frame / 25, people)
    index = index_poses(path)
    assert index.runs[2].tolist() == [[0, 2], [3, 4]]
    assert list(index.runs) == [2]
    assert [index.find(frame) for frame in (20, 30, 60, 0, 25, 61)] == [0, 1, 3, None, None, None]
    assert [record.frame for record in index.read(1, 3)] == [30, 40]


def test_low_scores(tmp_path):
    pose = make_pose(50, 50)
    frames = [make_people([1], [pose], score=0.1 if 3 <= i < 6 else 0.8) for i in range(9)]
    assert index_poses(write_poses(tmp_path / "poses.jsonl", frames)).low[1].tolist() == [[3, 6]]


def test_a_line_cut_short_is_left_out_and_a_wrong_one_named(poses):
    content = poses.read_bytes()
    poses.write_bytes(content[:-30])
    assert len(index_poses(poses)) == 39
    lines = content.splitlines(keepends=True)
    poses.write_bytes(b"".join([*lines[:5], b'{"frame": 4, "time": 0.1, "people": 3}\n', *lines[6:]]))
    with pytest.raises(ResultsError, match="line 6: people: expected a list"):
        index_poses(poses)
    poses.write_bytes(b"".join([*lines[:5], b"{,}\n", *lines[5:]]))
    with pytest.raises(ResultsError, match="line 6: not JSON"):
        index_poses(poses)
    poses.write_bytes(b"".join([*lines[:5], *lines[3:]]))
    with pytest.raises(ResultsError, match="line 6: frame: 2 comes after 3"):
        index_poses(poses)


def test_a_file_that_changes_under_the_index(poses):
    index = index_poses(poses)
    write_poses(poses, make_crossing()[:3])
    with pytest.raises(ResultsError, match="has the file changed"):
        index.read(20, 22)
    poses.unlink()
    with pytest.raises(ResultsError, match="cannot be read"):
        index.read(0, 1)


def look(frames, fps=25):
    finder = SuspectFinder(HEADER.skeleton.sigmas)
    return [suspect for i, people in enumerate(frames) for suspect in finder.look(i, i / fps, people)]


def test_people_who_walk_are_not_suspected():
    frames = [make_people([1, 2], [make_pose(50 + 2 * i, 50), make_pose(300 - 2 * i, 60)]) for i in range(60)]
    assert look(frames) == []
    assert look([Instances.empty(17), *frames[:2], frames[0].with_columns(track_ids=None), frames[3]]) == []


def test_a_leap_is_too_fast():
    frames = [make_people([1], [make_pose(50 if i < 5 else 250, 50)]) for i in range(10)]
    (suspect,) = look(frames)
    assert (suspect.frame, suspect.track_id, suspect.other) == (5, 1, None)
    assert suspect.speed_hps == pytest.approx(200 / 128 * 25, rel=1e-4)
    assert suspect.oks == pytest.approx(0, abs=1e-6)
    # With enough time between it is a walk, and after a long time nobody knows.
    assert look(frames[::5], fps=1) == []


def test_ids_that_change_while_one_is_hidden():
    # 2 is lost at 5 beside 1, who moves on; at 15, 2 is where 1 was, and 1 where 2 should be.
    frames = []
    for i in range(20):
        still, walker = make_pose(100, 50), make_pose(60 + 6 * i, 52)
        if i < 6:
            frames.append(make_people([1, 2], [still, walker]))
        elif i < 15:
            frames.append(make_people([1], [walker]))
        else:
            frames.append(make_people([1, 2], [walker, still]))
    found = {(suspect.frame, suspect.track_id, suspect.other) for suspect in look(frames)}
    assert (15, 2, 1) in found
    # Who stays where they were has not been replaced by someone who walks past.
    frames = [
        make_people([1, 2], [make_pose(100, 50), make_pose(60 + 6 * i, 52)])
        if not 6 <= i < 9
        else make_people([1], [make_pose(100, 50)])
        for i in range(15)
    ]
    assert look(frames) == []


def show(index):
    return (
        index.frames.tolist(),
        index.times_s.tolist(),
        index.offsets.tolist(),
        index.num_people.tolist(),
        [[track_id, *spans.tolist()] for track_id, spans in index.runs.items()],
        [[track_id, *spans.tolist()] for track_id, spans in index.low.items()],
        index.suspects,
    )


def test_an_index_that_was_kept(poses, tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path / "cache"))
    new = index_poses(poses)
    assert show(open_index(poses)) == show(new)
    assert not (tmp_path / "cache").exists()  # It is a short file.
    assert show(open_index(poses, least_bytes=0)) == show(new)
    (kept,) = (tmp_path / "cache" / "poses").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("posetrack.edits.index_cache.index_in_parts", None)
        assert show(open_index(poses, least_bytes=0)) == show(new)
    for content in (b"", kept.read_bytes()[:900], b"no zip"):
        kept.write_bytes(content)
        assert show(open_index(poses, least_bytes=0)) == show(new)
    # Of other poses in the same place it is another one.
    write_poses(poses, make_crossing()[:20])
    assert len(open_index(poses, with_suspects=False, least_bytes=0)) == 20
    assert len(list(kept.parent.iterdir())) == 2


def test_a_cache_that_cannot_be_written(poses, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path / "cache"))
    assert len(open_index(poses, least_bytes=0)) == 40


def test_nobody_is_an_index_too(tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path / "cache"))
    for frames in ([], [Instances.empty(17)]):
        path = write_poses(tmp_path / "poses.jsonl", frames)
        for _ in range(2):
            index = open_index(path, least_bytes=0)
            assert (len(index), dict(index.runs), list(index.suspects)) == (len(frames), {}, [])
            assert index.find(5) is None


def test_progress_is_told(poses, monkeypatch):
    monkeypatch.setattr("posetrack.edits.index._PROGRESS_BYTES", 10_000)
    told = []
    index_poses(poses, progress=told.append)
    assert len(told) == 3
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] <= 1


@pytest.mark.parametrize("part_bytes", [2_000, 7_000, 20_000])
def test_an_index_in_parts_is_that_of_one_pass(poses, part_bytes):
    whole = index_poses(poses)
    borders = find_borders(poses, part_bytes)
    assert len(borders) > 2
    parts = [index_part(poses, HEADER, a, b) for a, b in pairwise(borders)]
    assert show(join_parts(parts)) == show(whole)


def test_processes_for_parts(poses):
    whole = index_poses(poses)
    told = []
    assert show(index_in_parts(poses, 2, part_bytes=14_000, progress=told.append)) == show(whole)
    assert told[-1] == 1
    content = poses.read_bytes()
    poses.write_bytes(content[:-30])
    assert len(index_in_parts(poses, 2, part_bytes=14_000)) == 39
    poses.write_bytes(content.replace(b'"frame": 30', b'"frame": 3'))
    with pytest.raises(ResultsError, match="line 32: frame: 3 comes after 29"):
        index_in_parts(poses, 2, part_bytes=14_000)
    assert len(index_in_parts(write_poses(poses, []), 2, part_bytes=10)) == 0


def test_boxes_alone_are_compared_too():
    def make(ids, lefts):
        return Instances(boxes_xyxy=[[x, 50, x + 40, 150] for x in lefts], box_scores=[0.9, 0.9], track_ids=ids)

    frames = [make([1, 2] if i < 5 else [2, 1], [100 + i, 130 - i]) for i in range(9)]
    assert {(suspect.frame, suspect.track_id, suspect.other) for suspect in look(frames)} == {
        (5, 1, 2),
        (5, 2, 1),
    }
