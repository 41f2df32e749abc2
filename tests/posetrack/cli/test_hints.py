"""What people try first, and what they are told."""

import pytest

from posetrack.cli.hints import check_no_camera
from posetrack.errors import VideoError


@pytest.mark.parametrize("source", ["0", "12", "/dev/video3"])
def test_a_camera_is_for_live(source):
    with pytest.raises(VideoError, match=f"posetrack live {source}`"):
        check_no_camera(["a.mp4", source])


def test_a_folder_that_is_called_like_a_camera_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    check_no_camera(["0", "video0.mp4", "2026-11", "1234567"])
