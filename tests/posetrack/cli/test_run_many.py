"""`posetrack run --workers`: many sources, bad input, the summary."""

import csv
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.cli.main import main
from posetrack.workers.local import count_cores


def run_cli(*arguments: object) -> int:
    """Run `posetrack run ARGUMENTS --recipe fast` in this process; returns the exit code."""
    before = sys.argv
    sys.argv = ["posetrack", "run", *map(str, arguments), "--recipe", "fast"]
    try:
        main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    finally:
        sys.argv = before
    return 0


def write_images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((48, 64, 3), 20 * i, np.uint8))


def read_summary(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["source"]: row for row in csv.DictReader(file)}


def check_refusal(capsys, text):
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "loading" not in line]
    assert text in line


def test_a_list_of_sources_with_broken_ones_and_a_second_start(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "walk", 3)
    write_images(tmp_path / "run", 2)
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    (tmp_path / "list.txt").write_text("# an archive\nwalk\n\nbroken.mp4\nmissing.mp4\nrun\n")
    assert run_cli("list.txt", "--workers", 1, "-o", "out") == 1
    printed = capsys.readouterr().err
    assert "posetrack: broken.mp4: not a video that FFmpeg can read" in printed
    assert "posetrack: missing.mp4: no such file or folder" in printed
    rows = read_summary(tmp_path / "out" / "summary.csv")
    assert {source: row["frames"] for source, row in rows.items()} == {
        "walk": "3",
        "run": "2",
        "broken.mp4": "0",
        "missing.mp4": "0",
    }
    assert rows["broken.mp4"]["error"].startswith("broken.mp4: not a video")
    overlay = tmp_path / "out" / "walk" / "overlay.mp4"
    before = overlay.stat().st_mtime_ns
    write_images(tmp_path / "missing.mp4", 1)
    (tmp_path / "broken.mp4").unlink()
    write_images(tmp_path / "broken.mp4", 1)
    assert run_cli("list.txt", "--workers", 1, "-o", "out", "--quiet") == 0
    assert overlay.stat().st_mtime_ns == before
    again = read_summary(tmp_path / "out" / "summary.csv")
    assert {source: row["error"] for source, row in again.items()} == dict.fromkeys(rows, "")
    assert again["walk"] == rows["walk"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*rows, "summary.csv"}


def test_a_finished_run_is_done_again_only_if_that_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "walk", 2)
    base = ["walk", "--workers", 1, "-o", "out", "--no-video", "--quiet"]
    poses = tmp_path / "out" / "poses.jsonl"
    assert run_cli(*base) == 0
    before = poses.stat().st_ino, poses.read_bytes()
    assert run_cli(*base) == 0
    assert (poses.stat().st_ino, poses.read_bytes()) == before
    assert run_cli(*base, "--every", 2) == 1
    assert "--every: 1, but this run has 2; resume with the same, or use --overwrite" in capsys.readouterr().err
    assert poses.read_bytes() == before[1]
    assert run_cli(*base, "--every", 2, "--overwrite") == 0
    assert len(poses.read_text().splitlines()) == 2


@pytest.mark.parametrize("number", [0, -1, count_cores() + 1])
def test_a_number_of_workers_that_is_out_of_range(number, tmp_path, capsys):
    assert run_cli("clip.mp4", f"--workers={number}", "-o", tmp_path) == 1
    check_refusal(capsys, f"--workers {number}: this machine has {count_cores()} cores; give 1 to")


@pytest.mark.parametrize("source", ["rtsp://camera/stream", "http://host/clip.mp4"])
def test_live_sources_are_refused(source, tmp_path, capsys):
    assert run_cli(source, "--workers", 1, "-o", tmp_path) == 1
    check_refusal(capsys, f"{source}: a live source, a pipe or an address")


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"\n# nothing\n", "names no source"), (b"\xff\xfeabc", "not UTF-8"), (b"a\0b\n", "is no text")],
)
def test_a_list_that_is_none(content, text, tmp_path, capsys):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    assert run_cli(path, "-o", tmp_path / "out") == 1
    check_refusal(capsys, text)


def test_networks_that_cannot_be_loaded_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "walk", 2)
    write_images(tmp_path / "run", 2)
    assert run_cli("walk", "run", "--workers", 1, "-o", "out", "--engine", "onnxrumtime") == 1
    check_refusal(capsys, "onnxrumtime")
    assert not (tmp_path / "out").exists()
