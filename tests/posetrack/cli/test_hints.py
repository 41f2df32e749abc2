"""What people try first, and what they are told."""

import pytest
from typer.testing import CliRunner

from posetrack.cli.hints import check_is_for_run
from posetrack.cli.main import app
from posetrack.errors import VideoError


@pytest.mark.parametrize("source", ["0", "12", "/dev/video3"])
def test_a_camera_is_for_live(source):
    with pytest.raises(VideoError, match=f"posetrack live {source}`"):
        check_is_for_run(["a.mp4", source])


def test_a_folder_that_is_called_like_a_camera_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    check_is_for_run(["0", "video0.mp4", "2026-11", "1234567"])


def test_saved_poses_are_for_draw():
    with pytest.raises(VideoError, match=r"out/poses\.jsonl: saved poses are drawn with `posetrack draw`"):
        check_is_for_run(["out/poses.jsonl"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "a.mp4", "--only", "3"], "No such option: --only; posetrack draw, crops, convert"),
        (
            ["draw", "a.jsonl", "--only=3", "--resume"],
            "No such option: --resume; posetrack run, track-dataset, train have it",
        ),
        (["run", "a.mp4", "--nonsense"], "No such option: --nonsense"),
    ],
)
def test_an_option_of_other_commands_is_named_with_them(arguments, message):
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"})
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("\u2502", " ").split())


def test_what_follows_two_dashes_is_no_option():
    result = CliRunner().invoke(app, ["draw", "--quiet", "--", "--resume"])
    assert result.exit_code == 1
    assert "--resume: cannot be read" in str(result.exception)
