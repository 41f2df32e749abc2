import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posetrack import Tracker
from posetrack.errors import ResultsError
from posetrack.frame import Frame, Instances
from posetrack.processors.restored import skip_restored
from posetrack.results.record import Record
from posetrack.run.resume import restore

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
IMAGE = np.zeros((4, 4, 3), np.uint8)
SOMEONE = Instances(boxes_xyxy=[[0, 0, 1, 1]], track_ids=[7])


def make_frames(count, first=0):
    return iter([Frame(i, i / 25, IMAGE) for i in range(first, first + count)])


def mark(frames):
    """Stands for a network: counts what it sees."""
    for frame in frames:
        yield replace(frame, instances=Instances(box_scores=[0.5], boxes_xyxy=[[1, 1, 2, 2]]))


@pytest.mark.parametrize("saved", [0, 1, 3, 5])
def test_saved_frames_keep_their_people_and_networks_see_the_rest(saved):
    records = [Record(i, i / 25, SOMEONE) for i in range(saved)]
    frames = list(skip_restored(mark)(restore(records, "x.jsonl")(make_frames(5))))
    assert [frame.index for frame in frames] == list(range(5))
    assert all(frame.instances is SOMEONE for frame in frames[:saved])
    assert [frame.is_restored for frame in frames] == [True] * saved + [False] * (5 - saved)
    assert all(frame.instances.track_ids is None and len(frame.instances) == 1 for frame in frames[saved:])


def test_a_saved_frame_without_anybody_counts_as_restored():
    nobody = Instances(boxes_xyxy=np.zeros((0, 4)), track_ids=[])
    first, second = skip_restored(mark)(restore([Record(0, 0.0, nobody)], "x.jsonl")(make_frames(2)))
    assert (len(first.instances), len(second.instances)) == (0, 1)


def test_frames_of_another_part_are_refused():
    with pytest.raises(ResultsError, match=r"x.jsonl: continues with frame 0, .* frame 50; .*--start"):
        list(restore([Record(0, 0.0, SOMEONE)], "x.jsonl")(make_frames(3, first=50)))


def test_ids_that_no_run_saved_are_no_reason_to_pass_by_the_networks():
    frames = [Frame(0, 0.0, IMAGE, SOMEONE)]
    (seen,) = skip_restored(mark)(iter(frames))
    assert seen.instances.track_ids is None


@pytest.mark.parametrize("content", [b"", b'{"schema": "posetrack/1", "sou', b"\n"])
def test_a_run_that_was_killed_before_its_first_line_was_whole_starts_over(content, tmp_path, caplog):
    (tmp_path / "poses.jsonl").write_bytes(content)
    report = Tracker("fast").run(CLIP, tmp_path, start_s=3.2, end_s=3.3, overlay=False, existing="resume")
    assert report.num_frames == 3
    assert len((tmp_path / "poses.jsonl").read_text().splitlines()) == 4
    assert "was cut off before its first frame; it starts over" in caplog.text


@pytest.fixture(scope="module")
def tracker():
    return Tracker("fast")


PART = {"start_s": 3.2, "end_s": 3.5}


@pytest.fixture(scope="module")
def whole_run(tracker, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    tracker.run(CLIP, out, overlay=False, **PART)
    return (out / "poses.jsonl").read_bytes()


def cut(whole_run, folder, *, tail=b"", num_lines=4):
    lines = whole_run.splitlines(keepends=True)[:num_lines]
    (folder / "poses.jsonl").write_bytes(b"".join(lines) + tail)


def resume(tracker, folder, source=CLIP, **options):
    return tracker.run(source, folder, overlay=False, existing="resume", **{**PART, **options})


TORN = b'{"frame": 83, "time": 3.32, "peo'


@pytest.mark.parametrize(
    ("tail", "is_said"),
    [
        (b"", False),
        (TORN, True),
        (TORN + b"\xc3", True),
        (b"\0" * 5000, True),
        (TORN + b"\0" * 5000 + b"\n", True),
        (b"\0" * 50 + b'\n{"frame": 84, "time": 3.36, "people": []}\n', True),
        (b"\n\n", False),
    ],
)
def test_a_damaged_end_is_cut_off_and_said(tail, is_said, tracker, whole_run, tmp_path, caplog):
    cut(whole_run, tmp_path, tail=tail)
    resume(tracker, tmp_path)
    assert (tmp_path / "poses.jsonl").read_bytes().replace(b"\n\n\n", b"\n") == whole_run
    said = f"damaged behind frame line 3; the last {len(tail)} bytes are cut off"
    assert (said in caplog.text) == is_said


def test_a_whole_last_line_needs_no_line_feed(tracker, whole_run, tmp_path, caplog):
    (tmp_path / "poses.jsonl").write_bytes(whole_run[:-1])
    restored = []
    resume(tracker, tmp_path, progress=lambda frame: restored.append(frame.is_restored))
    assert (tmp_path / "poses.jsonl").read_bytes() == whole_run
    assert all(restored)
    assert caplog.text == ""


@pytest.mark.parametrize("content", [b"\0" * 3000, b"\0" * 300 + b"\n" + b"{}\n"])
def test_a_header_of_nothing_is_no_header(content, tracker, whole_run, tmp_path):
    (tmp_path / "poses.jsonl").write_bytes(content)
    resume(tracker, tmp_path)
    assert (tmp_path / "poses.jsonl").read_bytes() == whole_run


def test_a_file_of_another_kind_is_left_alone(tracker, tmp_path):
    (tmp_path / "poses.jsonl").write_bytes(b"dear diary")
    with pytest.raises(ResultsError, match="line 1: not JSON"):
        resume(tracker, tmp_path)
    assert (tmp_path / "poses.jsonl").read_bytes() == b"dear diary"


def test_a_moved_and_renamed_video_is_the_same(tracker, whole_run, tmp_path):
    cut(whole_run, tmp_path)
    resume(tracker, tmp_path, shutil.copy(CLIP, tmp_path / "moved.mp4"))
    assert (tmp_path / "poses.jsonl").read_bytes() == whole_run


def test_another_video_of_that_size_is_refused(tracker, whole_run, tmp_path):
    other = tmp_path / "street.mp4"
    content = bytearray(CLIP.read_bytes())
    content[-20_000:-10_000] = bytes(10_000)
    other.write_bytes(content)
    cut(whole_run, tmp_path)
    with pytest.raises(ResultsError, match="jsonl: source's content: changed; resume with the same, or use"):
        resume(tracker, tmp_path, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stitch": False}, "joining of tracks: on, but this run has off"),
        ({"end_s": 3.4}, "--end: 3.5, but this run has 3.4"),
        ({"every": 2}, "--every: 1, but this run has 2"),
    ],
)
def test_another_part_or_pass_is_refused(options, message, tracker, whole_run, tmp_path):
    cut(whole_run, tmp_path)
    before = (tmp_path / "poses.jsonl").read_bytes()
    with pytest.raises(ResultsError, match=message):
        resume(tracker, tmp_path, **options)
    assert (tmp_path / "poses.jsonl").read_bytes() == before


def test_another_smoothing_engine_and_recipe_are_refused(tracker, whole_run, tmp_path):
    cut(whole_run, tmp_path)
    detector = replace(tracker.recipe.detector, score_threshold=0.5)
    networks = replace(tracker.recipe, detector=detector)
    other = Tracker(networks, smooth=True, engine="torch", precision="f32", batch_frames=1)
    with pytest.raises(ResultsError) as caught:
        resume(other, tmp_path)
    now = "openvino" in whole_run.splitlines()[0].decode()
    engine = "engine: openvino, but this run has torch; " if now else ""
    engine += (
        "precision: mixed, but this run has f32; " if '"mixed"' in whole_run.splitlines()[0].decode() else ""
    )
    assert str(caught.value) == (
        f"{tmp_path}/poses.jsonl: smoothing: off, but this run has on; {engine}"
        "content of the recipe's [detector]: changed; resume with the same, or use --overwrite"
    )


def test_a_copy_of_a_recipe_and_another_batch_size_are_the_same_run(tracker, whole_run, tmp_path):
    cut(whole_run, tmp_path)
    resume(Tracker(replace(tracker.recipe, name="mine"), batch_frames=1), tmp_path)
    assert len((tmp_path / "poses.jsonl").read_bytes().splitlines()) == len(whole_run.splitlines())


def test_a_file_of_an_earlier_version_is_gone_on_with_by_names(tracker, whole_run, tmp_path, caplog):
    lines = whole_run.splitlines(keepends=True)[:4]
    lines[0] = lines[0][: lines[0].index(b', "run"')] + b"}\n"
    (tmp_path / "poses.jsonl").write_bytes(b"".join(lines))
    resume(tracker, tmp_path)
    assert (tmp_path / "poses.jsonl").read_bytes().splitlines()[1:] == whole_run.splitlines()[1:]
    assert "only names are compared" in caplog.text
    with pytest.raises(ResultsError, match=r"source: .*, but this run has"):
        resume(tracker, tmp_path, shutil.copy(CLIP, tmp_path / "moved.mp4"))


def test_arrays_are_gone_on_with_and_it_is_said_that_their_content_is_not_compared(tracker, tmp_path, caplog):
    images = [np.zeros((64, 64, 3), np.uint8)] * 3
    tracker.run(images, tmp_path, overlay=False)
    tracker.run(images, tmp_path, overlay=False, existing="resume")
    assert "arrays: no file, so its content is not compared" in caplog.text


def test_formats_that_are_there_are_brought_up_to_date(tracker, whole_run, tmp_path):
    tracker.run(CLIP, tmp_path, overlay=False, formats=["csv", "openpose", "posetrack18"], **PART)
    names = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    cut(whole_run, tmp_path)
    report = resume(tracker, tmp_path)
    assert report.num_restored == 3
    after = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    assert after.keys() == names.keys()
    assert after["poses.csv"] != names["poses.csv"]
    assert after["openpose"] != names["openpose"]
    assert resume(tracker, tmp_path).num_restored == report.num_frames


def test_overwriting_leaves_no_formats_of_the_run_before(tracker, tmp_path):
    tracker.run(CLIP, tmp_path, overlay=False, formats=["csv", "openpose", "posetrack18"], **PART)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "openpose" / "notes.txt").write_text("mine")
    tracker.run(CLIP, tmp_path, overlay=False, formats=["mot"], existing="overwrite", start_s=3.2, end_s=3.3)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"poses.jsonl", "mot.txt", "notes.txt", "openpose/notes.txt"}
