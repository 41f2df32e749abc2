from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.video import images
from posetrack.video.image_files import ImageReader
from posetrack.video.images import natural_key
from posetrack.video.source import group_sources, open_video

NAMES = ["f1.png", "f2.png", "f10.png"]


def test_a_folder_in_natural_order(make_images, shade) -> None:
    folder = make_images("walk", NAMES)
    (folder / "notes.txt").write_text("no image")
    (folder / ".f0.png").write_bytes((folder / "f1.png").read_bytes())
    with open_video(folder) as source:
        frames = list(source)
    assert [shade(frame.image) for frame in frames] == [0, 1, 2]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.time_s for frame in frames] == [0.0, 0.04, 0.08]
    info = source.info
    assert (info.source, info.name, info.kind) == (str(folder), "walk", "images")
    assert (info.width, info.height, info.fps, info.num_frames) == (64, 48, 25, 3)
    assert info.time_base == Fraction(1, 25)


def test_part_and_rate(make_images) -> None:
    folder = make_images("walk", [f"{i}.png" for i in range(10)])
    with open_video(folder, start_s=0.2, end_s=0.8, every=2, image_fps=Fraction(10)) as source:
        frames = [(frame.index, frame.time_s) for frame in source]
    assert frames == [(2, 0.2), (4, 0.4), (6, 0.6)]
    assert source.info.num_frames == 3
    with pytest.raises(VideoError, match=r"no frame between 5 s and the end; it is 0\.4 s long"):
        open_video(folder, start_s=5)
    with pytest.raises(VideoError, match="rate above 0"):
        open_video(folder, image_fps=Fraction(0))


def test_glob_single_image_and_list(make_images, monkeypatch) -> None:
    folder = make_images("walk", NAMES)
    cases = [
        (str(folder / "*.png"), "walk", 3),
        (str(folder / "f1?.png"), "walk", 1),
        (str(folder / "f2.png"), "f2", 1),
        (tuple(str(folder / name) for name in NAMES), "walk", 3),
    ]
    for given, name, count in cases:
        with open_video(given) as source:
            assert len(list(source)) == count
        assert source.info.name == name
    assert source.info.source == str(folder / "*.png")
    monkeypatch.chdir(folder)
    assert open_video(".").info.name == "walk"
    with pytest.raises(VideoError, match=r"\*\.jpg: no file matches"):
        open_video(str(folder / "*.jpg"))
    with pytest.raises(VideoError, match="at least one image"):
        open_video([])


def test_unreadable_images_are_left_out(make_images, shade) -> None:
    folder = make_images("walk", ["0.png", "1.png", "2.png", "3.png"])
    (folder / "0.png").write_bytes(b"")
    (folder / "2.png").write_bytes(b"rubbish")
    with open_video(folder) as source:
        frames = list(source)
    assert [(frame.index, shade(frame.image)) for frame in frames] == [(1, 1), (3, 3)]
    assert [frame.time_s for frame in frames] == [0.04, 0.12]
    assert source.num_damaged == 2
    assert source.warnings == [f"{folder}: 2 of 4 images could not be read and were left out: 0.png, 2.png"]


def test_nothing_readable(make_images, tmp_path: Path) -> None:
    folder = make_images("walk", ["0.jpg"])
    (folder / "0.jpg").write_bytes(b"rubbish")
    with pytest.raises(VideoError, match="no image could be read"):
        open_video(folder)
    with pytest.raises(VideoError, match="no image could be read"):
        open_video(folder / "0.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="empty: no images in this folder; give a folder with"):
        open_video(tmp_path / "empty")


def test_a_folder_of_videos(make_video, tmp_path: Path) -> None:
    make_video("clip.mp4", num_frames=1)
    with pytest.raises(VideoError, match=r"holds 1 videos: open them one by one, such as .*clip\.mp4"):
        open_video(tmp_path)


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch) -> None:
    def refuse(folder: str) -> list[str]:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(images.os, "listdir", refuse)
    with pytest.raises(VideoError, match="the folder cannot be read: Permission denied"):
        open_video(tmp_path)


def test_sizes_may_differ(make_images) -> None:
    folder = make_images("walk", ["0.png", "1.png"])
    cv2.imwrite(str(folder / "2.png"), np.zeros((10, 20, 3), np.uint8))
    with open_video(folder) as source:
        assert [frame.size_wh for frame in source] == [(64, 48), (64, 48), (20, 10)]
    assert source.warnings == [f"{folder}: the image size changes at frame 2, to 20x10"]


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((5, 7), 100, np.uint8),
        np.full((5, 7, 4), 100, np.uint8),
        np.full((5, 7), 100 * 257, np.uint16),
        np.full((1, 1, 3), 100, np.uint8),
    ],
)
def test_depths_and_channels(tmp_path: Path, pixels: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    image = ImageReader().read(str(tmp_path / "a.png"))
    assert image is not None
    assert image.shape == (*pixels.shape[:2], 3)
    assert (image == 100).all()


def test_natural_key() -> None:
    names = ["b1", "a10", "a2", "A3", "a02", "a", ""]
    assert sorted(names, key=natural_key) == ["", "a", "a02", "a2", "A3", "a10", "b1"]
    assert natural_key("a" + "9" * 5000) > natural_key("a10")


def test_group_sources(make_images, make_video, tmp_path: Path) -> None:
    one, two = make_images("one", NAMES), make_images("two", ["a.png"])
    video, other = make_video("clip.mp4", num_frames=1), make_video("clip2.mp4", num_frames=1)
    shell = sorted(str(one / name) for name in NAMES)  # as a shell does: 1, 10, 2
    walk = tuple(str(one / name) for name in NAMES)
    assert group_sources(shell) == [walk]
    assert group_sources([str(video), *shell, str(two / "a.png")]) == [str(video), walk, str(two / "a.png")]
    assert group_sources([shell[0], str(video), shell[1]]) == [shell[0], str(video), shell[1]]
    quoted = str(one / "*.png")
    assert group_sources([quoted, "rtsp://cam/a.png", str(one), "none.png"]) == [
        quoted,
        "rtsp://cam/a.png",
        str(one),
        "none.png",
    ]
    assert group_sources([str(tmp_path / "*.mp4")]) == [str(video), str(other)]
    assert group_sources([str(tmp_path / "*.xyz")]) == [str(tmp_path / "*.xyz")]
    assert group_sources([]) == []


def test_the_videos_of_a_folder_are_sources_of_their_own(make_video, tmp_path: Path, caplog) -> None:
    for name in ("clip10.mp4", "clip2.mp4"):
        make_video(name, num_frames=1)
    assert group_sources([str(tmp_path)]) == [str(tmp_path / "clip2.mp4"), str(tmp_path / "clip10.mp4")]
    (tmp_path / "a.png").write_bytes(b"")
    assert group_sources([str(tmp_path)]) == [str(tmp_path)]
    assert "holds images too; its 2 videos are left out" in caplog.text
