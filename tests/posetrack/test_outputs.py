"""Outputs are never their own input, and temporary names lead nowhere else."""

import os
import subprocess
import sys

import pytest

from posetrack.errors import ResultsError
from posetrack.outputs import (
    check_output_file,
    check_output_folder,
    create_file,
    hold_folder,
    make_folder_name,
    make_part,
    name_part,
)
from posetrack.results.files import make_whole_folder, open_whole_file
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17


@pytest.fixture
def victim(tmp_path):
    """A file of somebody else."""
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


def test_a_link_under_a_temporary_name_is_not_followed(tmp_path, victim):
    path = tmp_path / "coco.json"
    name_part(path).symlink_to(victim)
    with open_whole_file(path) as file:
        file.write("{}")
    assert (path.read_text(), victim.read_text()) == ("{}", "precious")
    assert not path.is_symlink()
    assert {each.name for each in tmp_path.iterdir()} == {"coco.json", "victim"}


def test_temporary_folders_and_videos_follow_no_links_either(tmp_path, victim):
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    name_part(tmp_path / "openpose").symlink_to(other)
    with make_whole_folder(tmp_path / "openpose", "*.json") as folder:
        (folder / "a.json").touch()
    assert [each.name for each in (tmp_path / "openpose").iterdir()] == ["a.json"]
    assert [each.name for each in other.iterdir()] == ["kept"]
    part = name_part(tmp_path / "overlay.mp4", ".part.mp4")
    part.symlink_to(victim)
    assert make_part(tmp_path / "overlay.mp4", ".part.mp4") == part
    assert not part.is_symlink()
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("is_dangling", [False, True])
def test_poses_replace_a_link_and_do_not_write_through_it(tmp_path, victim, is_dangling):
    path, target = tmp_path / "poses.jsonl", tmp_path / "nowhere" if is_dangling else victim
    path.symlink_to(target)
    JsonlWriter(path, Header("a.mp4", 64, 48, 25, COCO_17, "fast")).close()
    assert not path.is_symlink()
    assert len(path.read_text().splitlines()) == 1
    assert not (tmp_path / "nowhere").exists()
    assert victim.read_text() == "precious"


def test_a_file_is_created_where_there_is_nothing(tmp_path):
    create_file(tmp_path / "new")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("new", "link"):
        with pytest.raises(FileExistsError):
            create_file(tmp_path / name)
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_file_to_write_is_a_file_and_no_input(tmp_path, victim):
    for name in ("", ".", "/", ".."):
        with pytest.raises(ResultsError, match="not the name of a file; give one with --out"):
            check_output_file(type(tmp_path)(name))
    with pytest.raises(ResultsError, match="is a folder, and a file is written"):
        check_output_file(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", type(tmp_path)("/dev/stdout"), type(tmp_path)("/dev/new")):
        with pytest.raises(ResultsError, match="is no file, and would be replaced by one"):
            check_output_file(path)
    (tmp_path / "same").symlink_to(victim)
    for path in (victim, tmp_path / "same", tmp_path / "x" / ".." / "victim"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(ResultsError, match="is the input itself; use another --out"):
            check_output_file(path, [victim])
    check_output_file(tmp_path / "new", [victim, tmp_path / "missing"])
    # A folder in memory is a folder.
    check_output_file(type(tmp_path)("/dev/shm/new"))


def test_a_folder_of_results_is_no_input_and_holds_no_folder_for_a_file(tmp_path, victim):
    images = tmp_path / "images"
    images.mkdir()
    with pytest.raises(ResultsError, match="is the folder of the input"):
        check_output_folder(images, (), str(images))
    with pytest.raises(ResultsError, match="is a file, and the results need a folder"):
        check_output_folder(victim, (), "a.mp4")
    with pytest.raises(ResultsError, match="is the input itself"):
        check_output_folder(tmp_path, (victim,), str(victim))
    with pytest.raises(ResultsError, match="is the input itself"):
        check_output_folder(tmp_path, (victim,), f"file://{victim}")
    with pytest.raises(ResultsError, match="is a folder, where a file would be written"):
        check_output_folder(tmp_path, (images,), "a.mp4")
    check_output_folder(tmp_path / "out", (tmp_path / "out" / "poses.jsonl",), str(images / "*.png"))
    check_output_folder(images / "posetrack-out", (), str(images))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("..", "video"),
        (".", "video"),
        ("", "video"),
        ("...", "video"),
        ("a/../b", "a_.._b"),
        ("clip.1", "clip.1"),
    ],
)
def test_names_of_folders_lead_nowhere_else(name, expected):
    assert make_folder_name(name) == expected


def test_python_m_posetrack_is_the_command():
    command = [sys.executable, "-m", "posetrack", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


HOLDER = """
import sys, time
from pathlib import Path
from posetrack.outputs import hold_folder

with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks of folders")
def test_a_folder_is_of_one_run_at_a_time_and_free_when_that_is_killed(tmp_path):
    folder = tmp_path / "new" / "out"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(ResultsError, match="another run is writing into it"), hold_folder(folder):
                pass
        finally:
            holder.kill()
    for _ in range(2):
        with hold_folder(folder), pytest.raises(ResultsError, match="another run"), hold_folder(folder):
            pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path, victim):
    with pytest.raises(ResultsError, match="cannot be written"), hold_folder(victim / "out"):
        pass
