"""The contact sheet of a run, over a second decoding of its source."""

import logging

import numpy as np
import pytest
from made_drawings import make_images, read_png, two_people, write_poses, write_video

from posetrack.errors import ResultsError, VideoError
from posetrack.frame import Instances
from posetrack.render import RenderStyle
from posetrack.run.draw import draw_poses
from posetrack.run.run_sheet import check_sheet, write_run_sheet
from posetrack.run.sources import open_source


@pytest.fixture
def clip(tmp_path):
    return write_video(tmp_path / "clip.mp4", make_images())


@pytest.mark.parametrize("is_blurred", [False, True])
def test_it_is_that_of_the_poses(clip, tmp_path, is_blurred):
    poses = write_poses(tmp_path / "poses.jsonl", two_people, source=clip)
    style = RenderStyle(blur_faces=is_blurred)
    with open_source(clip) as video:
        assert len(list(video)) == 10
        assert write_run_sheet(poses, tmp_path / "a.png", video, style)
    draw_poses(poses, sheet=tmp_path / "b.png", style=style)
    np.testing.assert_array_equal(read_png(tmp_path / "a.png"), read_png(tmp_path / "b.png"))


def test_without_anybody_there_is_none(clip, tmp_path, caplog):
    poses = write_poses(tmp_path / "poses.jsonl", lambda i: Instances.empty(17), source=clip)
    with open_source(clip) as video, caplog.at_level(logging.WARNING):
        assert not write_run_sheet(poses, tmp_path / "a.png", video, RenderStyle())
    assert "nobody with a track id to show on a sheet" in caplog.text
    assert not (tmp_path / "a.png").exists()


def test_a_source_that_cannot_be_read_again_is_named(tmp_path):
    poses = write_poses(tmp_path / "poses.jsonl", two_people)
    with (
        open_source(iter(make_images())) as video,
        pytest.raises(VideoError, match="a second time, for --sheet"),
    ):
        write_run_sheet(poses, tmp_path / "a.png", video, RenderStyle())
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.jpg", "a sheet is a PNG"),
        ("overlay.png", "the annotated image of a run; use another --sheet"),
        ("old.png", "is there already; use --overwrite, or another --sheet"),
        ("folder.png", "is a folder"),
    ],
)
def test_names_are_checked_before_a_run(clip, tmp_path, name, message):
    (tmp_path / "old.png").touch()
    (tmp_path / "folder.png").mkdir()
    with open_source(clip) as video:
        with pytest.raises(ResultsError, match=message):
            check_sheet(tmp_path / name, video, tmp_path / "overlay.mp4", may_replace=False)
        check_sheet(tmp_path / "old.png", video, tmp_path / "overlay.mp4", may_replace=True)


def test_images_of_the_source_are_not_replaced(tmp_path):
    draw_poses(
        write_poses(tmp_path / "p.jsonl", two_people), tmp_path / "in", style=RenderStyle(background="white")
    )
    with open_source(tmp_path / "in") as video, pytest.raises(ResultsError, match="is the input itself"):
        check_sheet(tmp_path / "in" / "000003.png", video, tmp_path / "overlay.mp4", may_replace=True)
