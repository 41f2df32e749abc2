import pytest
from typer.testing import CliRunner

from models.engines.exported import read_export
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError


def run(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)], catch_exceptions=False)


def test_weights_become_one_file_named_after_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("movenet-multipose")
    assert result.exit_code == 0
    assert "movenet-multipose.openvino.zip: movenet-multipose, openvino f32, " in result.output
    assert "image      differs from torch by " in result.output
    (path,) = tmp_path.iterdir()
    assert path.name == "movenet-multipose.openvino.zip"
    assert read_export(path).metadata.traits == {"skeleton": "coco17"}
    with pytest.raises(PoseTrackError, match="is there already; use --overwrite"):
        run("movenet-multipose")


def test_images_are_for_int8(tmp_path):
    with pytest.raises(PoseTrackError, match="--calibrate is for --int8; give that too"):
        run("movenet-multipose", "--out", tmp_path / "x.zip", "--calibrate", tmp_path)
    assert list(tmp_path.iterdir()) == []
