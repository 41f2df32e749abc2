"""The images of saved poses."""

from contextlib import ExitStack
from fractions import Fraction

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from posetrack import read_poses
from posetrack.cli.main import app
from posetrack.cli.retrack import ImageOptions
from posetrack.errors import VideoError
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
    assert "recipe fast, 0 ids, 0 joined with earlier ones, 0 people dropped" in run_retrack(poses).output
    assert "recipe movenet" in run_retrack(poses, "-r", "movenet", "--overwrite").output


def test_a_recipe_that_does_not_ship_is_replaced_with_a_line(folder, capsys):
    poses = save(folder, (64, 48), 0)
    text = poses.path.read_text().replace('"recipe": "fast"', '"recipe": "mine"')
    poses.path.write_text(text)
    result = run_retrack(poses)
    assert "recipe default" in result.output
    assert "recipe mine is not one that ships; using default" in result.output
