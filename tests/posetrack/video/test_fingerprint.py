import shutil

import numpy as np
import pytest

from posetrack.video.arrays import ArraySequence
from posetrack.video.base import Selection
from posetrack.video.fingerprint import fingerprint_files
from posetrack.video.source import open_video


def write(path, size, seed=0):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(np.random.default_rng(seed).bytes(size))
    return path


@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 3_000_000])
def test_a_copy_under_another_name_is_the_same_and_another_content_of_that_size_is_not(size, tmp_path):
    path = write(tmp_path / "a.mp4", size)
    first = fingerprint_files([path])
    assert first is not None
    (tmp_path / "moved").mkdir()
    assert fingerprint_files([shutil.copy(path, tmp_path / "moved" / "b.mp4")]) == first
    if size:
        assert fingerprint_files([write(tmp_path / "c.mp4", size, seed=1)]) != first
    with path.open("ab") as file:
        file.write(b"x")
    assert fingerprint_files([path]) != first


def test_images_count_with_names_sizes_and_order(tmp_path):
    paths = [write(tmp_path / "walk" / f"{i:03}.png", 500, seed=i) for i in range(40)]
    first = fingerprint_files(paths)
    shutil.copytree(tmp_path / "walk", tmp_path / "again")
    assert fingerprint_files([tmp_path / "again" / path.name for path in paths]) == first
    assert fingerprint_files(paths[:-1]) != first
    assert fingerprint_files([*paths[:-1], write(tmp_path / "walk" / "x.png", 500, seed=39)]) != first
    write(paths[7], 501, seed=7)
    assert fingerprint_files(paths) != first
    write(paths[7], 500, seed=7)
    assert fingerprint_files(paths) == first
    write(paths[-1], 500, seed=99)
    assert fingerprint_files(paths) != first


def test_what_is_no_file_has_none(tmp_path):
    assert fingerprint_files([]) is None
    assert fingerprint_files([tmp_path / "none.mp4"]) is None


def test_sources_list_their_files_and_know_their_part(tmp_path):
    images = [np.full((32, 32, 3), i, np.uint8) for i in range(4)]
    with ArraySequence(images, Selection(every=2), 25) as source:
        assert (source.list_files(), source.selection.every) == ((), 2)
    clip = "docs/media/street.mp4"
    with open_video(clip, start_s=1.0, end_s=2.0) as source:
        assert [str(path) for path in source.list_files()] == [clip]
        assert source.selection == Selection(1.0, 2.0)
