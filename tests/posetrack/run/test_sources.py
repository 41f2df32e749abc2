"""Whatever may be a source becomes an open one."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.run.sources import open_source
from posetrack.video import live

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"


@pytest.fixture
def images(tmp_path) -> list[str]:
    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    for i, path in enumerate(paths):
        cv2.imwrite(path, np.full((6, 8, 3), 10 * i, np.uint8))
    return paths


@pytest.mark.parametrize("source", [CLIP, str(CLIP)])
def test_a_path_is_a_video(source):
    with open_source(source, start_s=1.0, every=2) as video:
        assert (video.info.name, video.info.kind, next(iter(video)).index) == ("street", "video", 25)


def test_folders_globs_and_lists_of_files_are_images(images, tmp_path):
    for source in (tmp_path, str(tmp_path / "*.png"), images, tuple(images)):
        with open_source(source, image_fps=12.5, end_s=0.2) as video:
            assert video.info.fps == Fraction(25, 2)
            assert [frame.image[0, 0, 0] for frame in video] == [0, 10, 20]


@pytest.mark.parametrize(
    ("rate", "fps"),
    [(30, Fraction(30)), (29.97, Fraction(2997, 100)), (Fraction(30000, 1001), Fraction(30000, 1001))],
)
def test_rates_are_fractions(rate, fps):
    with open_source([np.zeros((6, 8, 3), np.uint8)], image_fps=rate) as video:
        assert video.info.fps == fps


def test_an_array_of_images_is_taken_image_by_image():
    with open_source(np.zeros((5, 6, 8, 3), np.uint8)) as video:
        assert [frame.index for frame in video] == [0, 1, 2, 3, 4]


def test_a_number_is_a_camera(monkeypatch):
    image = np.zeros((6, 8, 3), np.uint8)
    monkeypatch.setattr(live, "capture_camera", lambda source: (image for _ in range(3)))
    with open_source(3) as camera:
        assert (camera.info.name, camera.info.source) == ("camera-3", "3")


def test_an_open_source_is_taken_as_it_is():
    with open_source(CLIP) as video:
        assert open_source(video, start_s=5.0) is video


def test_what_is_no_source_is_one_line():
    with pytest.raises(
        VideoError, match="object: not a source; give a path, the number of a camera, or arrays"
    ):
        open_source(object())
    with pytest.raises(VideoError, match="end 1 s is not after start 2 s"):
        open_source([], start_s=2, end_s=1)
