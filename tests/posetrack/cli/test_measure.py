"""`posetrack measure` from its command line."""

import numpy as np
import pytest
from made_walker import make_walker, write_poses
from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.edits.kinds import RenameId
from posetrack.edits.log import EditLog

TIMES_S = np.arange(40) / 25
FLOOR = "100,300,500,300,620,460,10,460@4x6"


@pytest.fixture
def poses(tmp_path):
    """Two walkers, one of them seen for a moment."""
    xy = make_walker(np.stack([150 + 40 * TIMES_S, np.full(40, 240.0)], axis=1), knee=30.0)
    short = np.where((np.arange(40) < 5)[:, None, None], xy + 200, np.nan)
    return write_poses(tmp_path / "poses.jsonl", {3: xy, 8: short}, TIMES_S)


def call(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output, result.exception


def test_measures_lie_beside_the_poses(poses):
    code, printed, _ = call("measure", poses, "--format", "wide", "--format", "mot")
    assert code == 0
    folder = poses.parent / "measures"
    assert {path.name for path in folder.iterdir()} == {
        "summary.csv",
        "notes.txt",
        "wide.csv",
        "person-3.mot",
        "person-8.mot",
    }
    assert f"{folder}: 5 files; notes.txt says what was done" in printed
    assert "path, px" in printed
    assert "id 8: nothing is filtered: seen for fewer than the 10 frames in a row" in printed
    _, _, error = call("measure", poses)
    assert str(error) == f"{folder}: is there already; use --overwrite, or another --out"
    assert call("measure", poses, "--format", "wide", "--overwrite", "--only", "3")[0] == 0
    assert {path.name for path in folder.iterdir()} == {"summary.csv", "notes.txt", "wide.csv"}


def test_a_file_that_was_cut_short_is_said_once(poses, caplog):
    poses.write_text(poses.read_text()[:-30])
    assert call("measure", poses, "--format", "wide")[0] == 0
    assert caplog.text.count("cut short") == 1


def test_options_reach_the_measures(poses, tmp_path):
    code, printed, _ = call(
        *(
            "measure",
            poses,
            "-o",
            tmp_path / "out",
            "--format",
            "wide",
            "--height",
            "1.8@3",
            "--height",
            "1.7@8",
        ),
        *("--floor", FLOOR, "--cutoff", "4", "--order", "2", "--max-gap", "0.1", "--facing", "right"),
        *("--min-keypoint-score", "0.4", "--unit", "m"),
    )
    assert code == 0
    assert "mean speed, m/s" in printed
    notes = (tmp_path / "out" / "notes.txt").read_text()
    for text in ("under score 0.4", "up to 0.1 s", "4 Hz", "order 2", "id 3 1.8 m, id 8 1.7 m", "right, given"):
        assert text in notes
    assert call("measure", poses, "-o", tmp_path / "raw", "--no-filter", "--format", "wide")[0] == 0
    assert "not filtered" in (tmp_path / "raw" / "notes.txt").read_text()


def test_edits_count_unless_they_are_left_out(poses, tmp_path):
    EditLog.open(poses).add(RenameId(3, 12))
    assert call("measure", poses, "-o", tmp_path / "edited", "--format", "mot")[0] == 0
    assert (tmp_path / "edited" / "person-12.mot").exists()
    assert call("measure", poses, "-o", tmp_path / "raw", "--format", "mot", "--raw")[0] == 0
    assert (tmp_path / "raw" / "person-3.mot").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--height", "0"), "height: 0 m; expected a number above 0"),
        (("--height", "tall"), "--height tall: expected metres"),
        (("--height", "1.8@x"), "--height 1.8@x: expected metres"),
        (("--height", "nan@3"), "--height nan@3: expected metres"),
        (("--height", "1.8@4"), "--height: no id 4; ids there: 3, 8"),
        (("--scale", "0"), "scale: 0 pixels a metre; expected a number above 0"),
        (("--scale", "-5"), "scale: -5 pixels a metre"),
        (("--cutoff", "0"), "cut-off: 0 Hz"),
        (("--order", "5"), "order: 5; expected 2, 4, 6, 8"),
        (("--max-gap", "-1"), "longest gap: -1 s"),
        (("--unit", "m"), "unit m: nothing says what a metre is"),
        (("--unit", "feet"), "unit feet"),
        (("--floor", "0,0,1,0,2,0,3,0@4x6"), "three corners are on a line"),
        (("--floor", "rectangle"), "--floor rectangle: expected four corners"),
        (("--format", "xls"), "format xls"),
        (("--format", "trc"), "format trc: its markers are in metres"),
        (("--only", "5"), "no id 5; ids there: 3, 8"),
        (("--facing", "up"), "facing up"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(options, message, poses):
    code, _, error = call("measure", poses, *options)
    assert code == 1
    assert message in str(error)
    assert "\n" not in str(error)
    assert not (poses.parent / "measures").exists()
