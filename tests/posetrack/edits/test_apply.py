"""Edits over the frames of a file, in one pass."""

import time

import numpy as np
import pytest
from made_crossing import make_crossing, make_people, make_pose

from posetrack.edits.apply import apply_edits
from posetrack.edits.kinds import DeletePerson, MergeIds, MoveKeypoint, RenameId, SplitId, SwapIds
from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED
from posetrack.results.record import Record


def make_records():
    return [Record(i, i / 25, people) for i, people in enumerate(make_crossing())]


def test_the_order_counts():
    swap, split = SwapIds(1, 2, 10), SplitId(1, 20, 3)
    ids = [record.instances.track_ids.tolist() for record in apply_edits(make_records(), [swap, split])]
    assert [ids[i] for i in (9, 10, 19, 20)] == [[1, 2], [2, 1], [2, 1], [2, 3]]
    ids = [record.instances.track_ids.tolist() for record in apply_edits(make_records(), [split, swap])]
    assert [ids[i] for i in (9, 10, 19, 20)] == [[1, 2], [2, 1], [2, 1], [3, 1]]


def test_frames_that_no_edit_changes_are_handed_on():
    records = make_records()
    edited = list(apply_edits(records, [MoveKeypoint(7, 1, 0, (3.0, 4.0)), DeletePerson(2, 9, 11)]))
    changed = [i for i, (a, b) in enumerate(zip(records, edited, strict=True)) if a is not b]
    assert changed == [7, 9, 10, 11]


def test_one_id_twice_is_refused():
    with pytest.raises(ResultsError) as caught:
        list(apply_edits(make_records(), [MergeIds(1, 2)], "edits.jsonl"))
    assert str(caught.value) == (
        "edits.jsonl: frame 0: two people would have id 1; undo the edit that makes them one"
    )


def test_people_without_an_id_stay_without():
    pose = make_pose(5, 5)
    people = make_people([UNTRACKED, UNTRACKED, 1], [pose, pose + 9, pose + 20])
    (record,) = apply_edits([Record(0, 0.0, people)], [RenameId(1, 5), DeletePerson(3)])
    assert record.instances.track_ids.tolist() == [UNTRACKED, UNTRACKED, 5]
    nameless = people.with_columns(track_ids=None)
    (record,) = apply_edits([Record(0, 0.0, nameless)], [RenameId(1, 5)])
    assert record.instances is nameless


def test_rows_keep_masks_and_dense_poses():
    pose = make_pose(5, 5)
    masks = np.zeros((3, 36, 64), bool)
    masks[2, 3, 4] = True
    people = make_people([1, 2, 3], [pose, pose, pose]).with_columns(masks=masks, dense_rows=[0, 1, 2])
    (record,) = apply_edits([Record(0, 0.0, people)], [DeletePerson(2), RenameId(3, 9)])
    assert record.instances.track_ids.tolist() == [1, 9]
    assert record.instances.dense_rows.tolist() == [0, 2]
    assert record.instances.masks[1, 3, 4]


def test_many_edits_do_not_slow_down_every_frame():
    moves = [MoveKeypoint(frame, 1, k, (1.0, 2.0)) for frame in range(2_000) for k in range(2)]
    renames = [RenameId(100 + i, 500 + i) for i in range(300)]
    people = make_people([100], [make_pose(5, 5)])
    records = [Record(i, i / 25, people) for i in range(2_000)]
    start = time.perf_counter()
    edited = list(apply_edits(records, [*renames, *moves]))
    assert time.perf_counter() - start < 60  # 24 million calls, if each frame asked each edit.
    assert all(record.instances.track_ids.tolist() == [500] for record in edited)


def test_deleted_people_can_be_kept_without_an_id():
    edits = [DeletePerson(2), RenameId(1, 2)]
    (record,) = apply_edits(make_records()[:1], edits, keep_deleted=True)
    assert record.instances.track_ids.tolist() == [2, UNTRACKED]


def test_near_a_swap_or_split_people_are_where_they_were_found_not_smoothed_across_it():
    records = []
    for i in range(80):
        people = make_people([1, 2, 3], [make_pose(5, 5), make_pose(50, 5), make_pose(90, 5)])
        smoothed = people.with_columns(smoothed_xy=people.keypoints_xy + 7)
        records.append(Record(i, i / 25, smoothed))

    def find_unsmoothed(edits):
        edited = [record.instances for record in apply_edits(records, edits)]
        found = [np.all(people.smoothed_xy == people.keypoints_xy, axis=(1, 2)) for people in edited]
        return {row: [i for i in range(80) if found[i][row]] for row in range(3)}

    beside = list(range(28, 52))
    assert find_unsmoothed([SwapIds(1, 2, 40)]) == {0: beside, 1: beside, 2: []}
    assert find_unsmoothed([RenameId(3, 9), SplitId(9, 40, 10)]) == {0: [], 1: [], 2: beside}
    assert find_unsmoothed([RenameId(3, 9)]) == {0: [], 1: [], 2: []}
