"""`posetrack review` on the command line; its page is tested in tests/posetrack/review."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.edits.editor import PosesEditor
from posetrack.errors import PoseTrackError
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    people = Instances(
        boxes_xyxy=[[10, 10, 60, 110], [200, 10, 250, 110]],
        box_scores=[0.9, 0.8],
        keypoints_xy=np.array([35, 225])[:, None, None] + np.arange(17)[None, :, None] * np.ones(2),
        keypoint_scores=np.full((2, 17), 0.9),
        track_ids=[1, 2],
    )
    path = tmp_path / "run" / "poses.jsonl"
    with JsonlWriter(path, Header("gone.mp4", 320, 240, Fraction(25), COCO_17, "fast")) as writer:
        for frame in range(10):
            writer.write(frame, frame / 25, people)
    return path


def run_review(*words: object) -> str:
    result = CliRunner().invoke(app, ["review", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_ground_truth_without_a_page(poses):
    PosesEditor(poses).delete(2)
    written = Path(run_review(poses.parent, "--export", "coco").strip())
    assert written == poses.parent / "coco.json"
    assert {each["track_id"] for each in json.loads(written.read_text())["annotations"]} == {1}
    out = poses.parent.parent / "gt"
    assert Path(run_review(poses, "--export", "posetrack18", "-o", out).strip()).parent == out / "posetrack18"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--export", "posetrack19"], "no format of ground truth; did you mean 'posetrack18'"),
        (["--serve", "70000"], "--serve 70000: expected PORT or HOST:PORT"),
        (["--video", "none.mp4"], "none.mp4: no such file"),
    ],
)
def test_bad_options_are_one_line(poses, words, message):
    with pytest.raises(PoseTrackError, match=message) as refused:
        run_review(poses, *words)
    assert "\n" not in str(refused.value)


def test_edits_of_other_poses_are_refused(poses):
    PosesEditor(poses).delete(2)
    poses.write_text(poses.read_text().replace("0.9", "0.8"))
    with pytest.raises(PoseTrackError, match=r"edits.jsonl: edits of other poses"):
        run_review(poses)


def test_it_serves_until_ctrl_c(poses):
    command = [sys.executable, "-m", "posetrack", "review", str(poses), "--serve", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said.startswith("posetrack: open http://127.0.0.1:")
            with urlopen(said.split()[2], timeout=20) as answer:
                assert b"PoseTrack review" in answer.read()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
            assert process.stderr.read() == "posetrack: interrupted\n"
        finally:
            process.kill()
