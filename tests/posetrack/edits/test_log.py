"""`edits.jsonl`: what is in it, and what a crash, another file or a hand may have made of it."""

import json
import logging
import sys
from pathlib import Path

import pytest
from made_crossing import HEADER, make_crossing, write_poses

from posetrack.edits.codec import decode_edit, encode_edit
from posetrack.edits.kinds import (
    DeletePerson,
    DropShort,
    Interpolate,
    KeyPose,
    MergeIds,
    MoveKeypoint,
    RenameId,
    SplitId,
    SwapIds,
)
from posetrack.edits.log import EditLog, name_log, set_aside
from posetrack.errors import ResultsError
from posetrack.results.poses import read_poses

FOLDER = Path("somewhere")
POINTS = tuple((1.5 * k, 2.0, 0.5) for k in range(17))
BEFORE = KeyPose(3, 0.12, (1.0, 2.0, 3.0, 4.0), 0.5, POINTS)
AFTER = KeyPose(9, 0.36, (1.0, 2.0, 3.0, 4.0), 0.5, POINTS, tuple((1.0, 2.0) for _ in range(17)))
EDITS = [
    MergeIds(3, 7),
    SplitId(3, 120, 12),
    SwapIds(1, 2, 30),
    RenameId(1, 8),
    DeletePerson(4),
    DeletePerson(4, 3),
    DeletePerson(4, None, 9),
    DropShort(1.5, (3, 9)),
    MoveKeypoint(3, 1, 5, (1.25, -2.0)),
    MoveKeypoint(3, 1, 5, None),
    Interpolate(3, ((BEFORE, AFTER),)),
]


def refuse(path):
    with pytest.raises(ResultsError) as caught:
        EditLog.open(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_an_edit_comes_back_from_its_line(edit):
    line = json.dumps(encode_edit(edit, HEADER.skeleton))
    assert decode_edit(json.loads(line), HEADER.skeleton, "a") == edit


def test_lines_are_there_when_an_edit_returns(poses):
    log = EditLog.open(poses)
    assert not log.path.exists()
    log.add(SwapIds(1, 2, 25))
    log.undo()
    log.redo()
    header, *lines = map(json.loads, log.path.read_text().splitlines())
    assert header["schema"] == "posetrack-edits/1"
    assert lines == [{"edit": "swap", "a": 1, "b": 2, "frame": 25}, {"edit": "undo"}, {"edit": "redo"}]
    assert EditLog.open(poses).edits == (SwapIds(1, 2, 25),)


def test_names():
    assert name_log(FOLDER / "poses.jsonl") == FOLDER / "edits.jsonl"
    assert name_log(FOLDER / "clip.jsonl") == FOLDER / "clip.edits.jsonl"
    assert name_log(FOLDER / "poses.retracked.jsonl") == FOLDER / "poses.retracked.edits.jsonl"


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_was_cut_short(poses, caplog, cut):
    log = EditLog.open(poses)
    for edit in EDITS[:3]:
        log.add(edit)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-cut])
    again = EditLog.open(poses)
    if cut == 1:  # Only the line feed is missing.
        assert again.edits == tuple(EDITS[:3])
        assert not caplog.records
    else:
        assert again.edits == tuple(EDITS[:2])
        assert [record.message for record in caplog.records] == [
            f"{log.path}: the last line was cut short and is left out; the 3 lines before it are whole"
        ]
    again.add(EDITS[3])
    assert EditLog.open(poses).edits == (*again.edits[:-1], EDITS[3])
    assert all(map(json.loads, log.path.read_text().splitlines()))


@pytest.mark.parametrize("left", [b"", b'{"schema": "posetr', b"\0" * 30, b"\n"])
def test_a_log_without_a_whole_line(poses, left):
    name_log(poses).write_bytes(left)
    log = EditLog.open(poses)
    assert log.edits == ()
    log.add(EDITS[0])
    assert EditLog.open(poses).edits == (EDITS[0],)


def test_blocks_of_nul_after_a_power_cut(poses):
    log = EditLog.open(poses)
    log.add(EDITS[0])
    with log.path.open("ab") as file:
        file.write(b"\0" * 512)
    assert EditLog.open(poses).edits == (EDITS[0],)


def test_edits_of_other_poses(poses, tmp_path):
    log = EditLog.open(poses)
    log.add(SwapIds(1, 2, 25))
    write_poses(poses, make_crossing()[:39])
    message = refuse(poses)
    assert message == (
        f"{log.path}: edits of other poses than poses.jsonl, which may have been made anew; move the edits "
        "away, or read the poses without them (--raw)"
    )
    with pytest.raises(ResultsError, match="edits of other poses"):
        read_poses(poses)
    assert len(list(read_poses(poses, raw=True))) == 39
    # Moved together they stay together.
    (tmp_path / "new").mkdir()
    moved = write_poses(tmp_path / "new" / "walk.jsonl", make_crossing())
    log.path.rename(name_log(moved))
    assert EditLog.open(moved).edits == (SwapIds(1, 2, 25),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"edit": "paint", "id": 3}', "line 2: edit: unknown 'paint'; known: merge, split"),
        ('{"edit": ["merge"]}', "line 2: edit: unknown"),
        ("[]", "line 2: expected an object"),
        ("not JSON", "line 2: not JSON; take the line out"),
        ('{"edit": "undo"}', "line 2: nothing to undo"),
        ('{"edit": "redo"}', "line 2: nothing to redo"),
        ('{"edit": "merge", "keep": 3}', "line 2: other: expected a whole number from 0, found nothing"),
        ('{"edit": "split", "id": 3, "frame": -4, "new": 5}', "line 2: frame: expected a whole number from 0"),
        ('{"edit": "swap", "a": 1, "b": "2", "frame": 3}', "line 2: b: expected a whole number"),
        ('{"edit": "keypoint", "id": 1, "frame": 3, "keypoint": "thumb"}', "'thumb' is none of coco17: nose,"),
        ('{"edit": "keypoint", "id": 1, "frame": 3, "keypoint": ["nose"]}', "is none of coco17"),
        (
            '{"edit": "keypoint", "id": 1, "frame": 3, "keypoint": "nose", "xy": [1, NaN]}',
            "line 2: xy: expected 2 finite numbers",
        ),
        ('{"edit": "interpolate", "id": 1, "gaps": []}', "line 2: gaps: empty"),
        ('{"edit": "interpolate", "id": 1, "gaps": [[{}]]}', "gaps[0]: expected 2 poses, found 1"),
        ('{"edit": "interpolate", "id": 1, "gaps": [[{}, {}]]}', "gaps[0][0].keypoints: expected"),
    ],
)
def test_a_line_that_is_wrong(poses, line, said):
    log = EditLog.open(poses)
    log.add(EDITS[0])
    header = log.path.read_text().splitlines()[0]
    log.path.write_text(f"{header}\n{line}\n")
    message = refuse(poses)
    assert message.startswith(f"{log.path}: ")
    assert said in message


def test_gaps_out_of_order(poses):
    fields = encode_edit(EDITS[-1], HEADER.skeleton)
    fields["gaps"] = [fields["gaps"][0][::-1]]
    with pytest.raises(ResultsError, match="frames 9 and 3: not in order"):
        decode_edit(fields, HEADER.skeleton, "a")


def test_another_file_of_that_name(poses):
    name_log(poses).write_text('{"schema": "other/1"}\n')
    assert "line 1: schema: expected 'posetrack-edits/1', found 'other/1'" in refuse(poses)


def test_a_folder_of_that_name(poses):
    name_log(poses).mkdir()
    assert "cannot be read" in refuse(poses)


def test_two_logs_write_one_after_the_other(poses):
    one, two = EditLog.open(poses), EditLog.open(poses)
    for i in range(4):
        (one, two)[i % 2].add(RenameId(1, 10 + i))
    assert [edit.new for edit in EditLog.open(poses).edits] == [10, 11, 12, 13]
    one.refresh()
    assert one.edits == two.edits


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes")
def test_a_folder_that_cannot_be_written(poses, monkeypatch):
    log = EditLog.open(poses)
    log.add(EDITS[0])

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("posetrack.edits.log.os.fsync", fail)
    with pytest.raises(ResultsError, match="cannot be written: no space left on device; free some space"):
        log.add(EDITS[1])
    monkeypatch.undo()
    assert EditLog.open(poses).edits == (EDITS[0],)
    log.add(EDITS[2])
    assert EditLog.open(poses).edits == (EDITS[0], EDITS[2])


def test_reading_says_that_there_are_edits(poses, caplog):
    caplog.set_level(logging.INFO)
    EditLog.open(poses).add(EDITS[2])
    assert read_poses(poses).edits == (EDITS[2],)
    assert [record.message for record in caplog.records] == [
        f"{poses}: with 1 edit of edits.jsonl; --raw leaves them out"
    ]
    caplog.clear()
    assert read_poses(poses, raw=True).edits == ()
    assert not caplog.records


def test_edits_of_poses_that_are_replaced_are_set_aside(poses, caplog):
    set_aside(poses)
    assert not caplog.records
    for name in ("edits.old.jsonl", "edits.old2.jsonl"):
        EditLog.open(poses).add(EDITS[0])
        set_aside(poses)
        assert not name_log(poses).exists()
        assert poses.with_name(name).exists()
        assert name in caplog.records[-1].message


@pytest.mark.parametrize(
    "edit", [DeletePerson(1, None, 10**21), RenameId(1, -4), DropShort(float("inf"), (1,))]
)
def test_what_could_not_be_read_again_is_not_written(poses, edit):
    log = EditLog.open(poses)
    with pytest.raises(ResultsError, match="expected"):
        log.add(edit)
    assert log.edits == ()
    assert not log.path.exists()


def test_poses_show_how_many_edits_they_have(poses):
    EditLog.open(poses).add(EDITS[2])
    assert repr(read_poses(poses)).endswith("coco17 of 'a.mp4', edits: 1)")
    assert "<td>edits" in read_poses(poses)._repr_html_().replace("<th>", "<td>")
    assert "edits" not in repr(read_poses(poses, raw=True)).replace(str(poses), "")


def test_poses_that_change_while_they_are_edited_take_no_more_edits(poses):
    log = EditLog.open(poses)
    log.add(RenameId(1, 9))
    kept = log.path.read_bytes()
    with poses.open("a") as file:
        file.write("\n")
    for action in (lambda: log.add(RenameId(2, 8)), log.undo):
        with pytest.raises(
            ResultsError, match=r"poses have changed since they were opened.*; open them again$"
        ):
            action()
    assert log.path.read_bytes() == kept
    assert [str(edit) for edit in log.edits] == ["rename 1 9"]
