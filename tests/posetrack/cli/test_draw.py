"""`posetrack draw` and `retrack --draw` from their command lines."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

ROOT = Path(__file__).parents[3]


@pytest.fixture
def poses(tmp_path):
    """Somebody in six images."""
    (tmp_path / "images").mkdir()
    header = Header(str(tmp_path / "images"), 64, 48, Fraction(25), COCO_17, "fast")
    points = np.stack([np.linspace(20, 40, 17), np.linspace(8, 40, 17)], axis=1)[None]
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        for i in range(6):
            cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), np.full((48, 64, 3), 90, np.uint8))
            person = Instances(
                boxes_xyxy=[[18, 5, 42, 44]],
                box_scores=[0.9],
                keypoints_xy=points,
                keypoint_scores=np.full((1, 17), 0.8),
                track_ids=[3],
            )
            writer.write(i, i / 25, person)
    return tmp_path / "poses.jsonl"


def call(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.exception


def test_the_drawing_is_beside_the_poses(poses):
    code, printed, _ = call("draw", poses)
    assert (code, printed) == (0, f"{poses.with_suffix('.mp4')}: 6 images\n")
    _, _, error = call("draw", poses.parent)
    assert str(error) == f"{poses.with_suffix('.mp4')}: is there already; use --overwrite, or another --out"
    code, printed, _ = call("draw", poses, "--background", "transparent")
    assert printed == f"{poses.parent / 'poses-images'}: 6 images\n"


def test_layers_and_ids(poses, tmp_path):
    no_layers = ["--no-boxes", "--no-ids", "--no-skeletons", "--no-trails", "--background", "black"]
    assert call("draw", poses, "--out", tmp_path / "a.png", *no_layers)[0] == 0
    assert np.array(Image.open(tmp_path / "a.png")).max() == 0
    assert (
        call("draw", poses, "--out", tmp_path / "b.png", "--only", "3", *no_layers[:2], *no_layers[3:])[0] == 0
    )
    assert np.array(Image.open(tmp_path / "b.png")).max() > 100
    _, _, error = call("draw", poses, "--out", tmp_path / "c.png", "--only", "1,3", "--overwrite")
    assert "no id 1; ids there: 3" in str(error)
    _, _, error = call("draw", poses, "--out", tmp_path / "c.png", "--dense-view", "iuv")
    assert str(error) == f"--dense-view iuv: {poses} has no dense poses"
    _, _, error = call("draw", poses, "--out", tmp_path / "c.png", "--background", "blak")
    assert "did you mean 'black'" in str(error)


def test_a_sheet_alone_writes_no_video(poses, tmp_path):
    code, printed, _ = call("draw", poses, "--sheet", tmp_path / "s.png")
    assert (code, printed) == (0, f"{tmp_path / 's.png'}: 1 person\n")
    assert {path.name for path in tmp_path.iterdir()} == {"images", "poses.jsonl", "s.png"}


def test_saved_poses_are_tracked_again_and_drawn(poses, tmp_path):
    command = ["retrack", poses, "--no-stitch", "--no-flow", "--smooth"]
    code, printed, _ = call(*command, "--draw", "--blur-faces", "--scale", "0.5", "--side-by-side")
    assert code == 0
    drawn = tmp_path / "poses.retracked.mp4"
    assert printed.splitlines()[1] == f"{drawn}: 6 images"
    with av.open(str(drawn)) as video:  # the old ids and the new ones
        assert (video.streams.video[0].width, video.streams.video[0].height) == (64, 24)
    (tmp_path / "poses.retracked.jsonl").unlink()
    _, _, error = call(*command, "--draw")
    assert str(error).startswith(f"{drawn}: is there already")
    assert not (tmp_path / "poses.retracked.jsonl").exists()
    _, _, error = call(*command, "--no-boxes", "--overwrite")
    assert str(error) == "options of a drawing without --draw; give it, or leave them out"


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (["retrack", "--no-flow", "--no-stitch"], "poses.retracked.jsonl"),
        (["convert", "--to", "csv"], "poses.csv"),
        (["crops", "--thumbnails"], "crops"),
        (["draw", "--background", "black"], "poses.mp4"),
    ],
)
def test_every_command_takes_the_folder_of_a_run(poses, tmp_path, command, written):
    before = set(tmp_path.iterdir())
    assert call(command[0], tmp_path, *command[1:])[0] == 0
    [made] = set(tmp_path.iterdir()) - before
    assert made.name == written or command[0] == "convert"
    if command[0] in ("retrack", "draw", "crops"):
        (tmp_path / "empty").mkdir()
        _, _, error = call(command[0], tmp_path / "empty", *command[1:])
        assert str(error).startswith(f"{tmp_path / 'empty'}: no poses.jsonl in this folder; give the file")


def test_a_run_writes_a_sheet_for_each_source(poses, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    street = ROOT / "docs" / "media" / "street.mp4"

    def run(*options):
        part = ["-r", "fast", "--start", "3.2", "--end", "3.4", "--no-video"]
        result = CliRunner().invoke(app, [str(value) for value in ("run", street, *part, *options)])
        return result.exit_code, result.output

    code, printed = run("--sheet", "people.png")
    assert code == 0
    assert "  posetrack-out/street/people.png\n" in printed
    with Image.open("posetrack-out/street/people.png") as sheet:
        assert sheet.height < 200 < sheet.width
    code, printed = run("--sheet", "s/people.png", "--out", "b", street)
    assert code == 1
    assert printed.count("--sheet s/people.png: the same for several sources") == 2
    assert not (tmp_path / "b").exists()
