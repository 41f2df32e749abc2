"""`posetrack convert` on data sets; on saved poses see test_run.py."""

import json
import sys

import pytest

from posetrack.cli.main import main

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
    for path in (folder, folder / "street.json"):
        assert run_convert(monkeypatch, path, "--to", name) == 1
        message = capsys.readouterr().err
        assert f"format {name}: only for saved poses (.jsonl)" in message
        assert message.count("\n") == 1


def test_a_missing_file(tmp_path, monkeypatch, capsys):
    assert run_convert(monkeypatch, tmp_path / "none.json", "--to", "coco") == 1
    assert "none.json: cannot be read: no such file or directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
