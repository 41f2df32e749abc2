"""`posetrack convert` on data sets and dense poses; on saved poses see test_run.py."""

import base64
import json
import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest

from posetrack.cli.main import main
from posetrack.frame import Instances
from posetrack.results.convert import convert
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.selection.people import PeopleSelection
from posetrack.selection.region import ImageRegion
from posetrack.skeleton import COCO_17

FRAME = {
    "image": [{"name": "images/street/000000.jpg"}],
    "annorect": [{"track_id": [3], "annopoints": [{"point": [{"id": [13], "x": [5.5], "y": [6.5]}]}]}],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "street.json").write_text(json.dumps({"annolist": [FRAME]}))
    return tmp_path / "gt"


def run_convert(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["posetrack", "convert", *map(str, arguments)])
    try:
        main()
    except SystemExit as done:
        return done.code
    return 0


def test_a_folder_goes_beside_itself(folder, monkeypatch, capsys):
    assert run_convert(monkeypatch, folder, "--to", "posetrack18") == 0
    path = folder.parent / "posetrack18" / "street.json"
    assert capsys.readouterr().out == f"{path}\n"
    assert json.loads(path.read_text())["annotations"][0]["keypoints"][:3] == [5.5, 6.5, 1]
    # A second time it would fall upon what is there.
    assert run_convert(monkeypatch, folder, "--to", "posetrack18") == 1
    assert "exists already; choose another folder with --out" in capsys.readouterr().err
    assert run_convert(monkeypatch, path, "--to", "coco", "--out", folder.parent / "new") == 0
    assert capsys.readouterr().out == f"{folder.parent / 'new' / 'coco.json'}\n"


@pytest.mark.parametrize("name", ["mot", "csv", "openpose"])
def test_formats_for_saved_poses_only(folder, monkeypatch, capsys, name):
    assert run_convert(monkeypatch, folder, "--to", name) == 1
    message = capsys.readouterr().err
    assert f"format {name}: only for saved poses (.jsonl)" in message
    assert message.count("\n") == 1
    # One sequence is read as poses, whose size it does not say.
    assert run_convert(monkeypatch, folder / "street.json", "--to", name) == 1
    message = capsys.readouterr().err
    assert "street.json: does not say the size of its images; give the video with --video" in message
    assert message.count("\n") == 1


@pytest.fixture
def poses(tmp_path):
    """Two people in two frames: one goes to the right, one stands in the distance."""
    path = tmp_path / "poses.jsonl"
    header = Header("clip.mp4", 640, 272, Fraction(25), COCO_17, "fast")
    with JsonlWriter(path, header) as writer:
        for i in range(2):
            boxes = [[280 + 40 * i, 50, 320 + 40 * i, 250], [100, 50, 120, 90]]
            people = Instances(boxes_xyxy=boxes, box_scores=[0.9, 0.5], track_ids=[3, 8])
            writer.write(i, i / 25, people, (640, 272))
    return path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["3", "8", "3", "8"]),
        (("--only", "3"), ["3", "3"]),
        (("--drop", "1-2,3"), None),
        (("--drop", "3"), ["8", "8"]),
        (("--max-people", "1"), ["3", "3"]),
        (("--min-height", "100"), ["3", "3"]),
        (("--score", "0.6"), ["3", "3"]),
        (("--roi", "0,0,50%,100%"), ["3", "8", "8"]),
        (("--roi", "0,0,20,20"), []),
        (("--only", "x"), None),
        (("--only", "1-9999999"), None),
        (("--only", "4"), None),
        (("--roi", "700,0,800,9"), None),
        (("--roi", "9,0,3,9"), None),
    ],
)
def test_people_are_chosen_from_saved_poses(poses, tmp_path, monkeypatch, capsys, options, expected):
    code = run_convert(monkeypatch, poses, "--to", "csv", "--out", tmp_path / "out", *options)
    printed = capsys.readouterr()
    if expected is None:
        assert code == 1
        assert options[0] in printed.err
        assert printed.err.count("\n") == 1
        assert not (tmp_path / "out").exists()
        return
    rows = (tmp_path / "out" / "poses.csv").read_text().splitlines()[1:]
    assert [row.split(",")[2] for row in rows] == expected
    assert code == 0


def test_that_nobody_is_left_is_said(poses, tmp_path, caplog):
    selection = PeopleSelection(regions=(ImageRegion.read("0,0,20,20"),))
    convert(poses, "csv", tmp_path, selection=selection)
    assert "nobody fits --roi 0,0 20,0 20,20 0,20; what is written is empty" in caplog.text


def test_people_of_a_data_set_are_not_chosen(folder, monkeypatch, capsys):
    assert run_convert(monkeypatch, folder, "--to", "coco", "--only", "3") == 1
    assert "--only 3: chooses people from a poses.jsonl only; leave it out here" in capsys.readouterr().err


def test_a_missing_file(tmp_path, monkeypatch, capsys):
    assert run_convert(monkeypatch, tmp_path / "none.json", "--to", "coco") == 1
    assert "none.json: cannot be read: no such file or directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


ENTRY = {"image_id": 4, "category_id": 1, "bbox": [1.5, 2, 3.25, 2], "score": 0.5, "uv_shape": [3, 2, 3]}
PNG = cv2.imencode(".png", np.full((2, 3, 3), 7, np.uint8))[1].tobytes()


@pytest.fixture
def dense_json(tmp_path):
    path = tmp_path / "found.json"
    path.write_text(json.dumps([{**ENTRY, "uv_data": base64.b64encode(PNG).decode()}]))
    return path


def test_dense_poses_go_from_form_to_form(dense_json, monkeypatch, capsys):
    folder = dense_json.parent
    assert run_convert(monkeypatch, dense_json, "--to", "npz") == 0
    assert capsys.readouterr().out == f"{folder / 'found.npz'}\n"
    assert run_convert(monkeypatch, folder / "found.npz", "--to", "densepose-json", "--out", folder / "b") == 0
    assert json.loads((folder / "b" / "found_densepose.json").read_text()) == json.loads(dense_json.read_text())
    assert run_convert(monkeypatch, folder / "found.npz", "--to", "png") == 0
    assert (folder / "found_iuv" / "000004_IUV.png").is_file()


@pytest.mark.parametrize("name", ["found.json", "found.npz"])
def test_dense_poses_alone_are_no_poses(dense_json, monkeypatch, capsys, name):
    assert run_convert(monkeypatch, dense_json, "--to", "npz") == 0
    capsys.readouterr()
    assert run_convert(monkeypatch, dense_json.with_name(name), "--to", "coco") == 1
    message = capsys.readouterr().err
    assert "unknown form 'coco' of dense poses; known: npz, png, densepose-json" in message
    assert message.count("\n") == 1


def test_data_sets_and_poses_without_dense_poses(folder, tmp_path, monkeypatch, capsys):
    assert run_convert(monkeypatch, folder / "street.json", "--to", "npz") == 1
    assert "street.json: expected a list, found {'annolist'" in capsys.readouterr().err
    assert run_convert(monkeypatch, tmp_path / "none.npz", "--to", "png") == 1
    assert "none.npz: cannot be read: no such file or directory" in capsys.readouterr().err


def test_results_of_another_program(tmp_path, monkeypatch, capsys):
    points = [number for k in range(17) for number in (100 + k, 50 + 3 * k, 0.75)]
    entries = [
        {"image_id": f"{i}.jpg", "category_id": 1, "keypoints": points, "score": 2.5, "idx": 3} for i in (0, 2)
    ]
    path = tmp_path / "alphapose-results.json"
    path.write_text(json.dumps(entries))
    assert run_convert(monkeypatch, path, "--to", "poses") == 1
    assert "alphapose-results.json: does not say the size of its images" in capsys.readouterr().err
    said = ("--size", "640x480", "--fps", "10")
    assert run_convert(monkeypatch, path, "--to", "csv", *said) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'poses.csv'}\n"
    rows = (tmp_path / "poses.csv").read_text().splitlines()
    assert [row.split(",")[:3] for row in rows[1:]] == [["0", "0.0", "3"], ["2", "0.2", "3"]]
    assert run_convert(monkeypatch, path, "--to", "poses", *said, "--out", tmp_path / "new") == 0
    poses = tmp_path / "new" / "poses.jsonl"
    assert capsys.readouterr().out == f"{poses}\n"
    assert run_convert(monkeypatch, poses, "--to", "posetrack18") == 0
    assert (tmp_path / "new" / "posetrack18" / "alphapose-results.json").is_file()
    # Once more: what is there stays.
    for target in ("poses", "pose"):
        assert run_convert(monkeypatch, path, "--to", target, *said, "--out", tmp_path / "new") == 1
    message = capsys.readouterr().err
    assert "poses.jsonl: is there already; use another --out" in message
    assert "unknown format 'pose'; did you mean 'poses'?" in message
    assert run_convert(monkeypatch, poses, "--to", "csv", "--size", "640x480") == 1
    assert "for poses of other programs only" in capsys.readouterr().err


def test_a_file_of_a_data_set_as_poses(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert run_convert(monkeypatch, folder / "street.json", "--to", "mot", "--size", "64x48", "--out", out) == 0
    assert (out / "mot.txt").read_text().startswith("1,3,")
