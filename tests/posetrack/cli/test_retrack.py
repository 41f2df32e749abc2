"""The images of saved poses."""

import json
from contextlib import ExitStack
from fractions import Fraction

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from posetrack import read_poses
from posetrack.cli.main import app
from posetrack.cli.retrack import ImageOptions
from posetrack.errors import PoseTrackError, VideoError
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17


@pytest.fixture
def folder(tmp_path):
    """Three images, of which the last one has another size."""
    (tmp_path / "images").mkdir()
    for index, size_wh in enumerate([(64, 48), (64, 48), (32, 24)]):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    return tmp_path / "images"


def save(folder, size_wh, index):
    header = Header(str(folder), *size_wh, Fraction(30000, 1001), COCO_17, "fast")
    path = folder.with_name("poses.jsonl")
    with JsonlWriter(path, header) as writer:
        writer.write(index, index * 1001 / 30000, Instances.empty(17))
    return read_poses(path)


@pytest.mark.parametrize(("size_wh", "index"), [((64, 48), 0), ((64, 48), 1), ((32, 24), 2)])
def test_the_size_of_the_first_saved_frame_counts(folder, size_wh, index):
    with ExitStack() as stack:
        source = ImageOptions().open(stack, save(folder, size_wh, index))
        assert source is not None
        assert next(iter(source)).index == index


def test_images_of_another_size_are_not_used(folder, capsys):
    poses = save(folder, (32, 24), 1)
    with ExitStack() as stack:
        assert ImageOptions().open(stack, poses) is None
        assert "64 x 48, but the poses are from 32 x 24" in capsys.readouterr().err
        with pytest.raises(VideoError, match="64 x 48, but the poses are from 32 x 24"):
            ImageOptions(video=str(folder)).open(stack, poses)
        assert ImageOptions(no_flow=True).open(stack, poses) is None


def run_retrack(poses, *options):
    return CliRunner().invoke(app, ["retrack", str(poses.path), "--no-flow", *options])


def test_the_recipe_is_that_of_the_header(folder):
    poses = save(folder, (64, 48), 0)
    assert (
        "recipe fast, 0 ids, 0 joined with earlier ones, 0 exchanged where people met, 0 people"
        in run_retrack(poses).output
    )
    assert "recipe default" in run_retrack(poses, "-r", "default", "--overwrite").output


def test_a_recipe_that_does_not_ship_is_replaced_with_a_line(folder, capsys):
    poses = save(folder, (64, 48), 0)
    text = poses.path.read_text().replace('"recipe": "fast"', '"recipe": "mine"')
    poses.path.write_text(text)
    result = run_retrack(poses)
    assert "recipe default" in result.output
    assert "recipe mine is not one that ships; using default" in result.output


def write_openpose(folder, offset_px=0.0):
    """Two people who walk past each other in ten frames, without ids."""
    folder.mkdir()
    for i in range(10):
        people = []
        for x in (100 + 8 * i, 400 - 8 * i):
            k = np.arange(25)
            points = np.stack([x + k % 5 * 9 + offset_px, 60 + 7 * k, np.full(25, 0.4)], axis=1)
            people.append({"person_id": [-1], "pose_keypoints_2d": points.ravel().tolist()})
        path = folder / f"clip_{i:012d}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": people[:: 1 if i % 2 else -1]}))
    return folder


def test_an_openpose_folder_is_tracked(tmp_path):
    folder = write_openpose(tmp_path / "found")
    result = CliRunner().invoke(app, ["retrack", str(folder), "--size", "640x480", "--smooth"])
    assert result.exit_code == 0, result.output
    out = tmp_path / "found.retracked.jsonl"
    assert f"{out}: recipe default, 2 ids" in result.output
    assert "tracking without optical flow: the poses do not name their video" in result.output
    poses = read_poses(out)
    assert poses.header.skeleton.name == "body25"
    assert len(list(poses)) == 10
    for frame in poses:
        people = frame.instances
        left = people.track_ids[people.boxes_xyxy[:, 0].argmin()]
        if frame.index == 0:
            first = left
        # They go on in their directions: the one from the left is on the right in the end.
        of_first = people.keypoints_xy[people.track_ids == first, 0, 0]
        np.testing.assert_allclose(of_first, [100.5 + 8 * frame.index], atol=0.01)
    assert CliRunner().invoke(app, ["retrack", str(folder), "--size", "640x480"]).exit_code != 0
    # Recipes of our networks let nobody with so low scores start a track.
    again = CliRunner().invoke(
        app, ["retrack", str(folder), "--size", "640x480", "--overwrite", "-r", "default"]
    )
    assert "recipe default, 0 ids" in again.output


def test_boxes_of_others_are_tracked_over_images(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (48, 64, 3), np.uint8)
    for i in range(4):
        cv2.imwrite(str(images / f"{i}.png"), np.roll(noise, 2 * i, axis=1))
    path = tmp_path / "det.txt"
    path.write_text("".join(f"{i + 1},-1,{10 + 2 * i},5,16,36,0.9\n" for i in range(4)))
    arguments = ["retrack", str(path), "--video", str(images), "--no-stitch", "--draw"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    poses = read_poses(tmp_path / "det.retracked.jsonl")
    assert not poses.has_keypoints
    assert [frame.instances.track_ids.tolist() for frame in poses] == [[1]] * 4
    assert poses.header.source == str(images)
    assert (tmp_path / "det.retracked.mp4").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "does not say the size of its images; give the video with --video, or the size with --size"),
        (["--size", "640"], "--size 640: expected a width and a height in pixels"),
        (["--size", "640x480", "--fps", "0"], "--fps 0: expected frames per second"),
        (["--size", "640x480", "--skeleton", "coco18"], "skeleton coco18: neither a file nor built in"),
        (["--size", "640x480", "--skeleton", "coco17"], "25 keypoints; expected 17, those of coco17"),
    ],
)
def test_what_others_do_not_say(tmp_path, options, message):
    folder = write_openpose(tmp_path / "found")
    with pytest.raises(PoseTrackError) as error:
        CliRunner().invoke(app, ["retrack", str(folder), *options], catch_exceptions=False)
    assert message in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["found"]


def test_our_own_poses_say_everything(folder):
    poses = save(folder, (64, 48), 0)
    with pytest.raises(PoseTrackError, match=r"--size, --fps, .*: for poses of other programs only"):
        CliRunner().invoke(app, ["retrack", str(poses.path), "--size", "64x48"], catch_exceptions=False)
