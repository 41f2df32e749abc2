"""A tracker that is loaded once: runs, sources, and what it leaves behind."""

import json
import threading
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

import posetrack
from posetrack.compute import Compute
from posetrack.errors import PoseTrackError, ResultsError, VideoError
from posetrack.render import RenderStyle
from posetrack.run.report import RunInterrupted
from posetrack.run.tracker import Tracker
from posetrack.skeleton import COCO_17
from posetrack.video import live

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
PARTS = [
    {"start_s": 3.2, "end_s": 3.6},
    {"start_s": 0.0, "end_s": 0.3},
    {"start_s": 3.0, "end_s": 4.0, "every": 4},
]


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return Tracker("fast")


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Ten images of the cyclist."""
    return [frame.image for frame in posetrack.track(CLIP, recipe="fast", start_s=3.2, end_s=3.6)]


def test_one_tracker_for_three_clips_gives_what_three_trackers_give(tmp_path, monkeypatch):
    made: list[str] = []
    make_engine = Compute.make_engine

    def count(compute, network, *, name, example):
        made.append(name)
        return make_engine(compute, network, name=name, example=example)

    monkeypatch.setattr(Compute, "make_engine", count)
    reused = Tracker("fast", smooth=True)
    num_engines = len(made)
    assert num_engines > 0
    for i, part in enumerate(PARTS):
        reused.run(CLIP, tmp_path / f"reused-{i}", overlay=False, **part)
    assert len(list(reused.track(CLIP, **PARTS[0]))) == 10
    assert len(made) == num_engines, "a second run builds nothing"
    people = 0
    for i, part in enumerate(PARTS):
        report = Tracker("fast", smooth=True).run(CLIP, tmp_path / f"fresh-{i}", overlay=False, **part)
        people += report.num_people
        reused_poses, fresh_poses = (tmp_path / f"{kind}-{i}" / "poses.jsonl" for kind in ("reused", "fresh"))
        assert reused_poses.read_bytes() == fresh_poses.read_bytes()
    assert people > 10


def test_two_sources_may_be_read_in_turns(tracker):
    alone = [frame.instances.track_ids.tolist() for frame in tracker.track(CLIP, **PARTS[0])]
    turns = zip(tracker.track(CLIP, **PARTS[0]), tracker.track(CLIP, **PARTS[0]), strict=True)
    ids = [(a.instances.track_ids.tolist(), b.instances.track_ids.tolist()) for a, b in turns]
    assert ids == [(each, each) for each in alone]
    assert any(alone)


def test_frames_say_what_their_keypoints_are(tracker):
    frame = next(tracker.track(CLIP, start_s=3.2))
    assert frame.skeleton is COCO_17
    assert frame.keypoint_names[0] == "nose"
    assert not frame.is_restored
    assert repr(frame).startswith("Frame(80 at 3.200 s, 640x272, Instances(1 person: boxes_xyxy, ")
    assert repr(tracker).startswith("Tracker('fast': ")


def test_a_run_writes_what_was_asked_for_and_reports_it(tracker, tmp_path):
    seen: list[int] = []
    out = tmp_path / "deep" / "out"
    report = tracker.run(
        str(CLIP), out, formats=["csv", "csv"], progress=lambda frame: seen.append(frame.index), **PARTS[0]
    )
    assert report.files == (out / "poses.jsonl", out / "overlay.mp4", out / "poses.csv")
    assert {path.name for path in out.iterdir()} == {path.name for path in report.files}
    assert (report.name, report.num_frames, report.num_damaged) == ("street", 10, 0)
    assert report.num_people == sum(len(frame.instances) for frame in posetrack.read_poses(out / "poses.jsonl"))
    assert report.num_ids >= 1
    assert report.people_per_frame == report.num_people / 10
    assert report.frames_per_s == pytest.approx(10 / report.seconds)
    assert seen == list(range(80, 90))
    with av.open(str(out / "overlay.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 10


def test_the_overlay_shows_what_a_style_says(tracker, images, tmp_path):
    nothing = RenderStyle(skeletons=False, boxes=False, ids=False, trails=False)
    for name, overlay in (("all", True), ("nothing", nothing)):
        tracker.run(images, tmp_path / name, overlay=overlay)
    mean = {}
    for name in ("all", "nothing"):
        with av.open(str(tmp_path / name / "overlay.mp4")) as video:
            drawn = [image.to_ndarray(format="rgb24") for image in video.decode(video=0)]
        mean[name] = np.abs(np.subtract(drawn, images, dtype=np.float32)).mean()
    assert mean["nothing"] < mean["all"] / 2


def test_results_that_are_there_are_refused_overwritten_or_gone_on_with(tracker, tmp_path):
    tracker.run(CLIP, tmp_path, **PARTS[0])
    whole = (tmp_path / "poses.jsonl").read_bytes()
    with pytest.raises(ResultsError, match=r"poses\.jsonl: is there already"):
        tracker.run(CLIP, tmp_path, **PARTS[0])
    (tmp_path / "poses.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:5]))
    restored: list[bool] = []
    tracker.run(
        CLIP,
        tmp_path,
        overlay=False,
        existing="resume",
        progress=lambda frame: restored.append(frame.is_restored),
        **PARTS[0],
    )
    assert restored == [True] * 4 + [False] * 6
    assert len((tmp_path / "poses.jsonl").read_bytes().splitlines()) == 11
    tracker.run(CLIP, tmp_path, overlay=False, existing="overwrite", **PARTS[0])
    assert (tmp_path / "poses.jsonl").read_bytes() == whole
    assert not (tmp_path / "overlay.mp4").exists(), "no overlay of another run is left"
    with pytest.raises(ResultsError, match="existing: 'replace'; expected refuse, overwrite or resume"):
        tracker.run(CLIP, tmp_path, existing="replace")


def test_a_mistake_is_found_before_anything_is_written(tracker, tmp_path):
    with pytest.raises(ResultsError, match="unknown format 'cvs'"):
        tracker.run(CLIP, tmp_path / "out", formats=["cvs"])
    with pytest.raises(VideoError, match=r"none\.mp4: no such file"):
        tracker.run("none.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interruption_leaves_whole_results_and_a_report(tracker, tmp_path):
    images = iter(np.zeros((12, 48, 64, 3), np.uint8))

    def interrupt():
        yield from islice(images, 6)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        tracker.run(interrupt(), tmp_path, formats=["csv"])
    assert isinstance(caught.value, RunInterrupted)
    report = caught.value.report
    assert report.num_frames == len((tmp_path / "poses.jsonl").read_bytes().splitlines()) - 1 > 0
    assert report.files[-1] == tmp_path / "poses.csv"
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == report.num_frames


def test_arrays_are_tracked_like_the_video_that_they_come_from(tracker, images, tmp_path):
    of_clip = list(tracker.track(CLIP, **PARTS[0]))
    of_arrays = list(tracker.track(iter(images), image_fps=25))
    assert [frame.index for frame in of_arrays] == list(range(10))
    for a, b in zip(of_clip, of_arrays, strict=True):
        np.testing.assert_allclose(a.instances.keypoints_xy, b.instances.keypoints_xy, rtol=0, atol=0.01)
        assert b.time_s == pytest.approx(a.time_s - 3.2)
    report = tracker.run(images, tmp_path, image_fps=29.97, end_s=0.1)
    header = json.loads((tmp_path / "poses.jsonl").read_text().splitlines()[0])
    assert (header["fps"], header["source"], report.num_frames) == ("2997/100", "arrays", 3)


def test_a_bad_array_is_one_line_with_its_place(tracker, images):
    with pytest.raises(PoseTrackError, match=r"image 1: expected shape \(H, W, 3\) of uint8, RGB; found shape"):
        list(tracker.track([images[0], images[1] / 255]))
    with pytest.raises(PoseTrackError, match=r"image 0: expected .* found shape \(640, 3\) of uint8"):
        list(tracker.track(images[0]))
    with pytest.raises(PoseTrackError, match="float: not a source; give a path, the number of a camera"):
        list(tracker.track(3.5))


def test_a_camera_is_tracked_by_its_number_and_nothing_waits_for_a_batch(
    tracker, images, monkeypatch, tmp_path
):
    seen_first = threading.Event()

    def capture(source):
        assert source == "0"
        yield images[0]
        # No image follows until the first one's people are there.
        assert seen_first.wait(60)
        yield from images[1:]

    monkeypatch.setattr(live, "capture_camera", capture)
    frames = tracker.track(0)
    first = next(frames)
    assert len(first.instances) == 1
    seen_first.set()
    assert next(frames).index >= 1
    frames.close()


def test_the_short_form_hands_on_what_a_tracker_takes(images):
    frames = list(posetrack.track(images[:2], recipe="fast", engine="torch", batch_frames=1, smooth=True))
    assert all(frame.instances.smoothed_xy is not None for frame in frames)
    with pytest.raises(TypeError, match="devise"):
        next(posetrack.track(images, devise="cpu"))
    with pytest.raises(PoseTrackError, match="--device tpu: no such device"):
        next(posetrack.track(images, recipe="fast", device="tpu"))
