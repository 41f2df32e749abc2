"""One video in parts: the poses of a run in one piece, and its annotated video."""

import csv
import sys
from pathlib import Path

import av
import pytest

from posetrack.cli.main import main
from posetrack.errors import ResultsError
from posetrack.processors.tracklets import ClothesDescriber
from posetrack.skeleton import COCO_17
from posetrack.workers.notes import NoteTaker, read_notes

CLIP = Path(__file__).parents[3] / "docs" / "media" / "crossing.mp4"
PART = ["--start", "0.2", "--every", "3", "--recipe", "fast", "--format", "csv"]


def run_cli(*arguments: object) -> int:
    """Run `posetrack run ARGUMENTS` in this process; returns the exit code."""
    before = sys.argv
    sys.argv = ["posetrack", "run", *map(str, arguments)]
    try:
        main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    finally:
        sys.argv = before
    return 0


def read_times(path):
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def test_frames_between_two_detections_wait_for_the_second_one_beyond_the_border(tmp_path):
    whole, split = tmp_path / "whole", tmp_path / "split"
    options = ["--recipe", "default", "--end", "5.6", "--no-video", "--quiet"]
    assert run_cli(CLIP, "-o", whole, *options) == 0
    assert run_cli(CLIP, "-o", split, *options, "--workers", 1, "--split", 3.5) == 0
    assert (split / "poses.jsonl").read_bytes() == (whole / "poses.jsonl").read_bytes()


def test_parts_give_the_files_of_a_run_in_one_piece(tmp_path, capsys):
    whole, split = tmp_path / "whole", tmp_path / "split"
    assert run_cli(CLIP, "-o", whole, *PART, "--quiet") == 0
    assert run_cli(CLIP, "-o", split, *PART, "--workers", 1, "--split", 3.5) == 0
    assert "2 parts; " in capsys.readouterr().err
    assert (split / "poses.jsonl").read_bytes() == (whole / "poses.jsonl").read_bytes()
    assert (split / "poses.csv").read_bytes() == (whole / "poses.csv").read_bytes()
    assert read_times(split / "overlay.mp4") == read_times(whole / "overlay.mp4")
    assert {path.name for path in split.iterdir()} == {path.name for path in whole.iterdir()} | {"summary.csv"}
    (row,) = csv.DictReader((split / "summary.csv").read_text().splitlines())
    assert (row["frames"], row["error"]) == ("65", "")
    before = {path: path.stat().st_mtime_ns for path in split.iterdir()}
    assert run_cli(CLIP, "-o", split, *PART, "--workers", 1, "--split", 3.5, "--quiet") == 0
    assert {path: path.stat().st_mtime_ns for path in split.iterdir()} == before
    (split / "poses.jsonl").unlink()
    (split / ".parts").mkdir()
    assert run_cli(CLIP, "-o", split, *PART, "--workers", 1, "--split", 3.5, "--quiet") == 0
    assert (split / "poses.jsonl").read_bytes() == (whole / "poses.jsonl").read_bytes()
    assert run_cli(CLIP, "-o", split, "--recipe", "default", "--workers", 1, "--split", 3.5, "--quiet") == 1
    assert "poses.jsonl: is there already; use --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--split", "10"], "--split: the parts are for several workers; give --workers N"),
        (["--split", "1", "--workers", "1"], "--split 1: parts overlap by 3.4 s with recipe fast"),
        (["--split", "10", "--workers", "1", "--max-people", "1", "--blur-faces"], "leave one of them out"),
    ],
)
def test_options_that_contradict_a_split(arguments, text, tmp_path, capsys):
    assert run_cli(CLIP, "--recipe", "fast", "-o", tmp_path / "out", *arguments) == 1
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_notes_are_read_back(tmp_path):
    from posetrack import Tracker

    taker = NoteTaker(COCO_17, look_at_images=True)
    frames = list(Tracker("fast").track(CLIP.with_name("street.mp4"), start_s=3.2, end_s=3.7))
    for frame in frames:
        taker(frame)
    path = tmp_path / "notes.npz"
    taker.write(path)
    notes = read_notes(path)
    assert list(notes.motions) == [frame.index for frame in frames]
    for frame in frames:
        motion = notes.motions[frame.index]
        assert (motion is None) == (frame.background_motion is None)
        assert motion is None or (motion == frame.background_motion).all()
    # One a stretch of 0.2 s: 3.2, 3.4, 3.6.
    assert sorted({index for index, _ in notes.clothes}) == [80, 85, 90]
    (row,) = (
        i
        for i, track_id in enumerate(frames[5].instances.track_ids.tolist())
        if (85, track_id) in notes.clothes
    )
    person = frames[5].instances[[row]]
    (track_id,) = person.track_ids.tolist()
    assert (notes.clothes[85, track_id] == ClothesDescriber(COCO_17)(frames[5], person)[0]).all()


def test_damaged_notes_are_one_line(tmp_path):
    path = tmp_path / "notes.npz"
    for content in (b"", b"none", b"PK\x03\x04" + bytes(50)):
        path.write_bytes(content)
        with pytest.raises(ResultsError, match=r"notes\.npz: damaged; remove it"):
            read_notes(path)
