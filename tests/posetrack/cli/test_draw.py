"""`posetrack draw` and `retrack --draw` from their command lines."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from posetrack import Tracker
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError
from posetrack.frame import Instances
from posetrack.render import RenderStyle
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.selection.people import PeopleSelection
from posetrack.skeleton import COCO_17


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
    assert (code, printed) == (0, f"{tmp_path / 's.png'}: 1 people\n")
    assert {path.name for path in tmp_path.iterdir()} == {"images", "poses.jsonl", "s.png"}


def test_saved_poses_are_tracked_again_and_drawn(poses, tmp_path):
    command = ["retrack", poses, "--no-stitch", "--no-flow", "--smooth"]
    code, printed, _ = call(*command, "--draw", "--blur-faces", "--scale", "0.5")
    assert code == 0
    drawn = tmp_path / "poses.retracked.mp4"
    assert printed.splitlines()[1] == f"{drawn}: 6 images"
    assert drawn.exists()
    (tmp_path / "poses.retracked.jsonl").unlink()
    _, _, error = call(*command, "--draw")
    assert str(error).startswith(f"{drawn}: is there already")
    assert not (tmp_path / "poses.retracked.jsonl").exists()
    _, _, error = call(*command, "--no-boxes", "--overwrite")
    assert str(error) == "options of a drawing without --draw; give it, or leave them out"


def test_faces_of_people_who_are_not_chosen_would_be_seen(tmp_path):
    tracker = Tracker("fast", selection=PeopleSelection(max_people=1))
    with pytest.raises(PoseTrackError, match=r"--blur-faces with --max-people 1: the faces of the others"):
        tracker.run("docs/media/street.mp4", tmp_path / "out", overlay=RenderStyle(blur_faces=True))
    assert not (tmp_path / "out").exists()
