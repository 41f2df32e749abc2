"""`posetrack edit`, and the commands that read edited poses."""

import json
import logging
import shlex
import sys

import cv2
import numpy as np
import pytest
from made_crossing import make_crossing, write_poses

from posetrack.cli.main import main
from posetrack.edits.log import name_log
from posetrack.results.poses import read_poses


@pytest.fixture
def poses(tmp_path):
    return write_poses(tmp_path / "poses.jsonl", make_crossing())


@pytest.fixture
def call(poses, monkeypatch, capsys):
    """Run a command line in which POSES stands for the file; its code, output and errors."""

    def run(line):
        words = [word.replace("POSES", str(poses)) for word in shlex.split(line)]
        monkeypatch.setattr(sys, "argv", ["posetrack", *words])
        code = 0
        try:
            main()
        except SystemExit as done:
            code = done.code
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.mark.parametrize(
    ("line", "edit"),
    [
        ("swap 1 2 --frame 25", {"edit": "swap", "a": 1, "b": 2, "frame": 25}),
        ("split 2 --frame 25", {"edit": "split", "id": 2, "frame": 25, "new": 3}),
        ("rename 2 9", {"edit": "rename", "id": 2, "new": 9}),
        ("delete 2", {"edit": "delete", "id": 2}),
        ("delete 2 --first 0 --last 4", {"edit": "delete", "id": 2, "first": 0, "last": 4}),
        ("drop-short --seconds 1.5", {"edit": "drop-short", "seconds": 1.5, "ids": [1]}),
        (
            "keypoint 2 left_wrist --frame 0 --at 31.5,-2",
            {"edit": "keypoint", "id": 2, "frame": 0, "keypoint": "left_wrist", "xy": [31.5, -2.0]},
        ),
        (
            "keypoint 2 nose --frame 3 --absent",
            {"edit": "keypoint", "id": 2, "frame": 3, "keypoint": "nose", "absent": True},
        ),
    ],
)
def test_each_edit(call, poses, line, edit):
    code, out, err = call(f"edit POSES {line}")
    assert (code, err) == (0, "")
    assert out.startswith(f"{name_log(poses)}: {line}".replace(" --absent", ""))
    saved = json.loads(name_log(poses).read_text().splitlines()[1])
    assert saved == edit
    assert len(read_poses(poses).edits) == 1


def test_merge_and_interpolate(call, poses):
    assert call("edit POSES delete 1 --last 29")[0] == 0
    assert call("edit POSES delete 2 --first 30")[0] == 0
    assert call("edit POSES merge 2 1")[0] == 0
    assert read_poses(poses).list_ids() == [2]
    code, out, _ = call(f"edit {poses.parent} interpolate 2")
    assert code == 0
    assert "interpolate 2 --first 29 --last 34 (1 gap)" in out
    assert all(len(frame.instances) == 1 for frame in read_poses(poses))


def test_list_undo_and_redo(call, poses):
    assert call("edit POSES list") == (0, f"{poses}: no edits\n", "")
    call("edit POSES rename 2 9")
    call("edit POSES keypoint 1 nose --frame 3 --at 4,5")
    assert call("edit POSES undo")[1].endswith("taken back: keypoint 1 nose --frame 3 --at 4,5\n")
    assert call("edit POSES list")[1].splitlines() == [
        "   1  rename 2 9",
        "   -  keypoint 1 nose --frame 3 --at 4,5  (undone)",
    ]
    assert call("edit POSES redo")[1].endswith("made again: keypoint 1 nose --frame 3 --at 4,5\n")
    assert len(read_poses(poses).edits) == 2


def test_tracks(call):
    code, out, _ = call("edit POSES tracks")
    assert code == 0
    assert out.splitlines() == [
        "  id  frames            seconds  gaps",
        "   1  0-39                 1.44     1",
        "   2  0-39                 1.60     0",
        "frame 25: 1 looks like 2 before (2.1 body heights/s, OKS 0.26)",
        "frame 25: 2 looks like 1 before (2.1 body heights/s, OKS 0.26)",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("edit POSES merge 1 7", "no id 7; ids there: 1, 2"),
        ("edit POSES merge 1 2", "merge: 1 and 2 are both in frame 0; delete one there first"),
        ("edit POSES merge 1", "edit merge: expected ID ID behind it, found 1"),
        ("edit POSES merge 1 b", "edit: b: expected a track id, such as 3"),
        ("edit POSES swap 1 2", "edit swap: --frame is missing"),
        ("edit POSES rename 1 5 --frame 3", "edit rename: takes no --frame; leave it out"),
        ("edit POSES undo 3", "edit undo: expected nothing behind it, found 3"),
        ("edit POSES undo", "edits.jsonl: nothing to undo"),
        ("edit POSES redo", "edits.jsonl: nothing to redo"),
        ("edit POSES swop 1 2", "edit: unknown 'swop'; did you mean 'swap'?"),
        ("edit POSES keypoint 1 nose --frame 3", "give either --at X,Y or --absent"),
        ("edit POSES keypoint 1 nose --frame 3 --at 3", "--at 3: expected X,Y in pixels"),
        ("edit POSES keypoint 1 nose --frame 3 --at nan,3", "--at nan,3: expected finite pixels"),
        ("edit POSES keypoint 1 nose --at 3,3", "edit keypoint: --frame is missing"),
        ("edit POSES.no list", "poses.jsonl.no: cannot be read"),
        (
            "convert POSES --to csv --ground-truth",
            "format csv: has no form for ground truth; use posetrack18 or",
        ),
    ],
)
def test_mistakes(call, poses, line, said):
    code, out, err = call(line)
    assert (code, out) == (1, "")
    assert said in err
    assert err.count("\n") == 1
    assert not name_log(poses).exists()


def test_edits_of_other_poses_stop_every_command_but_not_raw(call, poses):
    call("edit POSES rename 2 9")
    write_poses(poses, make_crossing()[1:])
    for line in ("edit POSES list", "convert POSES --to csv", "retrack POSES --no-flow", "draw POSES"):
        code, _, err = call(line)
        assert code == 1
        assert "edits of other poses than poses.jsonl" in err
        assert err.count("\n") == 1
    assert call("convert POSES --to csv --raw")[0] == 0
    assert name_log(poses).exists()


def read_ids_of_csv(path):
    return {line.split(",")[2] for line in path.read_text().splitlines()[1:]}


def test_commands_show_the_edits_unless_they_are_to_be_raw(call, poses):
    call("edit POSES rename 2 9")
    folder = poses.parent
    assert call("convert POSES --to csv")[0] == 0
    assert read_ids_of_csv(folder / "poses.csv") == {"1", "9"}
    assert call("convert POSES --to csv --only 9")[0] == 0
    assert read_ids_of_csv(folder / "poses.csv") == {"9"}
    assert call("convert POSES --to csv --raw")[0] == 0
    assert read_ids_of_csv(folder / "poses.csv") == {"1", "2"}
    assert call("draw POSES --background black -o one.png --only 2")[0] == 1
    assert call(f"draw POSES --background black -o {folder}/frames --only 9 --every 20")[0] == 0
    assert call(f"draw POSES --raw --background black -o {folder}/raw --only 2 --every 20")[0] == 0


def test_retrack_keeps_corrected_people_and_makes_new_ids(call, poses):
    call("edit POSES delete 2")
    call("edit POSES keypoint 1 nose --frame 3 --at 4,5")
    assert call("retrack POSES --no-flow --no-stitch")[0] == 0
    new = list(read_poses(poses.with_name("poses.retracked.jsonl")))
    assert max(len(frame.instances) for frame in new) == 1
    assert new[3].instances.keypoints_xy[0, 0].tolist() == [4, 5]
    assert call("retrack POSES --no-flow --no-stitch --raw --overwrite")[0] == 0
    new = list(read_poses(poses.with_name("poses.retracked.jsonl")))
    assert max(len(frame.instances) for frame in new) == 2


def test_a_mended_swap_is_the_ground_truth_that_the_raw_ids_fail(call, poses, tmp_path):
    write_poses(poses, make_crossing(apart=150))  # So far that nobody's keypoints are near the other's.
    call("edit POSES swap 1 2 --frame 25")
    assert call(f"convert POSES --to posetrack18 --ground-truth -o {tmp_path}/gt")[0] == 0
    numbers = {}
    for name, option in (("edited", ""), ("raw", "--raw")):
        (tmp_path / "a").mkdir(exist_ok=True)
        for file in (poses, name_log(poses)):
            (tmp_path / "a" / file.name).write_bytes(file.read_bytes())
        out = tmp_path / f"{name}.json"
        line = f"eval posetrack --gt {tmp_path}/gt/posetrack18 --pred {tmp_path} -o {out} --corrected {option}"
        assert call(line)[0] == 0
        numbers[name] = json.loads(out.read_text())["corrected"]
    assert numbers["edited"]["ap"][-1] == pytest.approx(100)
    assert numbers["edited"]["mota"][-1] == pytest.approx(100)
    assert numbers["raw"]["ap"][-1] == pytest.approx(100)
    assert numbers["raw"]["mota"][-1] < 99
    assert numbers["raw"]["hota"][-1] < 85 < numbers["edited"]["hota"][-1]


def test_new_poses_in_place_of_edited_ones(call, poses):
    assert call("retrack POSES --no-flow --no-stitch")[0] == 0
    new = poses.with_name("poses.retracked.jsonl")
    assert call(f"edit {new} delete 1")[0] == 0
    assert call("retrack POSES --no-flow --no-stitch --overwrite")[0] == 0
    assert 1 in read_poses(new).list_ids()
    assert poses.with_name("poses.retracked.edits.old.jsonl").exists()


def test_faces_of_deleted_people_are_blurred(call, poses, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8)
    (tmp_path / "images").mkdir()
    for index in range(40):
        cv2.imwrite(str(tmp_path / "images" / f"{index:03d}.png"), noise)
    call("edit POSES delete 2")
    line = f"draw POSES --video {tmp_path}/images --no-boxes --no-ids --no-skeletons --end 0.1"
    assert call(f"{line} -o {tmp_path}/shown/")[0] == 0
    assert call(f"{line} -o {tmp_path}/blurred/ --blur-faces")[0] == 0
    shown, blurred = (cv2.imread(str(next((tmp_path / name).glob("*.png")))) for name in ("shown", "blurred"))
    changed = (shown != blurred).any(axis=2)
    # The nose of each: 1 is drawn, 2 is not.
    assert changed[50:60, 100:110].mean() > 0.5
    assert changed[60:70, 300:310].mean() > 0.5
    assert changed.mean() < 0.2


@pytest.mark.parametrize("workers", [1, 2])
def test_evaluation_says_that_there_are_edits(call, poses, tmp_path, workers, caplog):
    caplog.set_level(logging.INFO)
    call(f"convert POSES --to posetrack18 --ground-truth -o {tmp_path}")
    truth, results = tmp_path / "posetrack18", tmp_path / "results"
    (truth / "b.json").write_bytes((truth / "a.json").read_bytes())
    results.mkdir()
    for name in ("a", "b"):
        write_poses(results / f"{name}.jsonl", make_crossing())
    call(f"edit {results}/b.jsonl swap 1 2 --frame 25")
    caplog.clear()
    assert call(f"eval posetrack --gt {truth} --pred {results} --workers {workers}")[0] == 0
    assert [record.message for record in caplog.records] == [
        f"{results}/b.jsonl: with 1 edit of b.edits.jsonl; --raw leaves them out"
    ]
    caplog.clear()
    assert call(f"eval posetrack --gt {truth} --pred {results} --workers {workers} --raw")[0] == 0
    assert not caplog.records
