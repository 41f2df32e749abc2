"""A run over one image gives an image."""

import cv2
import numpy as np
import pytest

from posetrack import Tracker, read_poses


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A photo of one person, read from the middle of a clip."""
    path = tmp_path_factory.mktemp("photos") / "cyclist.jpg"
    video = cv2.VideoCapture("docs/media/street.mp4")
    video.set(cv2.CAP_PROP_POS_FRAMES, 95)
    cv2.imwrite(str(path), video.read()[1])
    return path


def test_one_image_gives_an_image_and_poses(photo, tmp_path):
    report = Tracker("fast").run(photo, tmp_path / "out")
    overlay = tmp_path / "out" / "overlay.png"
    assert report.files == (tmp_path / "out" / "poses.jsonl", overlay)
    (frame,) = read_poses(tmp_path / "out" / "poses.jsonl")
    assert len(frame.instances) >= 1
    drawn, given = cv2.imread(str(overlay)), cv2.imread(str(photo))
    assert drawn.shape == given.shape
    assert 0 < np.mean(np.any(drawn != given, axis=2)) < 0.5


def test_a_second_run_replaces_it_only_when_asked(photo, tmp_path):
    tracker = Tracker("fast")
    tracker.run(photo, tmp_path)
    before = (tmp_path / "overlay.png").stat().st_mtime_ns
    tracker.run(photo, tmp_path, existing="overwrite")
    assert (tmp_path / "overlay.png").stat().st_mtime_ns > before
    assert not list(tmp_path.glob("*.part*"))
