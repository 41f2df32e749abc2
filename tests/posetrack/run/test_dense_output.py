"""Dense poses of runs: saved beside the poses, restored, joined, and carried along by what comes after."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_densepose import make_small_densepose

from models.checkpoints import write_weights
from models.metadata import WeightsMetadata
from posetrack import read_dense, read_poses
from posetrack.edits.editor import PosesEditor
from posetrack.errors import ResultsError
from posetrack.frame import Frame
from posetrack.pipeline import Stage
from posetrack.recipe import read_recipe
from posetrack.results.convert import convert
from posetrack.run import job
from posetrack.run.job import Output
from posetrack.run.retrack import retrack
from posetrack.run.tracker import Tracker

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
PART = {"start_s": 3.2, "end_s": 3.6}
RECIPE = """
[detector]
weights = "movenet-multipose"
score_threshold = 0.15
[dense]
weights = "small.safetensors"
longest_side_px = 128
shorter_side_px = 0
[tracker]
new_track_min_score = 0.07
new_track_min_visible_score = 0.15
"""


@pytest.fixture(scope="module")
def tracker(tmp_path_factory) -> Tracker:
    folder = tmp_path_factory.mktemp("recipe")
    write_weights(
        folder / "small.safetensors", make_small_densepose().state_dict(), WeightsMetadata("densepose-r50")
    )
    (folder / "dense.toml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.densepose.network.make_densepose", make_small_densepose)
        return Tracker(folder / "dense.toml")


@pytest.fixture(scope="module")
def finished(tracker, tmp_path_factory) -> Path:
    """A finished run with everything."""
    folder = tmp_path_factory.mktemp("finished")
    report = tracker.run(CLIP, folder, formats=("csv", "png", "densepose-json"), **PART)
    names = {"poses.jsonl", "overlay.mp4", "poses.csv", "street.npz", "street_iuv", "street_densepose.json"}
    assert {path.name for path in report.files} == names
    assert all(path.exists() for path in report.files)
    return folder


def list_dense(path: Path) -> list[tuple[int, list[int], list[bytes]]]:
    return [
        (frame.index, frame.instances.track_ids.tolist(), [pose.tobytes() for pose in frame.instances.dense])
        for frame in read_dense(path)
    ]


def test_poses_refer_to_the_dense_poses_that_frames_have(tracker, finished):
    header = json.loads((finished / "poses.jsonl").read_text().splitlines()[0])
    assert header["dense"] == "street.npz"
    frames = list(tracker.track(CLIP, **PART))
    saved = list(read_dense(finished / "poses.jsonl"))
    assert len(frames) == len(saved) == 10
    assert sum(len(frame.instances) for frame in frames) >= 10
    for frame, again in zip(frames, saved, strict=True):
        np.testing.assert_array_equal(again.instances.boxes_xyxy, frame.instances.boxes_xyxy)
        assert all(map(np.array_equal, again.instances.dense, frame.instances.dense))
        assert all(pose.size for pose in frame.instances.dense)
    assert list_dense(finished / "street.npz") == list_dense(finished / "poses.jsonl")


@pytest.mark.parametrize(("lines", "num_bytes"), [(0, 0), (4, 0), (4, 20_000), (10, 0)])
def test_a_run_that_was_cut_off_is_resumed_with_the_same_dense_poses(
    tracker, finished, tmp_path, lines, num_bytes
):
    """`lines` frames of the poses were saved; where `num_bytes` is given, fewer of the dense poses were."""
    for name in ("poses.jsonl", "street.npz"):
        shutil.copy(finished / name, tmp_path / name)
    text = (finished / "poses.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "poses.jsonl").write_bytes(b"".join(text[: lines + 1]))
    if num_bytes:
        whole = (finished / "street.npz").read_bytes()
        (tmp_path / "street.npz").write_bytes(whole[: len(whole) * 3 // 10])
    report = tracker.run(CLIP, tmp_path, existing="resume", formats=("densepose-json",), **PART)
    assert report.num_frames == 10
    assert report.num_restored <= lines
    assert list_dense(tmp_path / "street.npz") == list_dense(finished / "street.npz")
    assert (tmp_path / "poses.jsonl").read_bytes() == (finished / "poses.jsonl").read_bytes()
    assert (tmp_path / "street_densepose.json").read_bytes() == (
        finished / "street_densepose.json"
    ).read_bytes()


def test_restored_frames_are_drawn_with_their_dense_poses(tracker, finished, tmp_path, monkeypatch):
    for name in ("poses.jsonl", "street.npz"):
        shutil.copy(finished / name, tmp_path / name)
    drawn: list[Frame] = []
    monkeypatch.setattr(job, "Painter", lambda *arguments: lambda frame: drawn.append(frame) or frame.image)
    tracker.run(CLIP, tmp_path, existing="resume", **PART)
    assert [frame.is_restored for frame in drawn] == [True] * 10
    for frame, saved in zip(drawn, read_dense(finished / "poses.jsonl"), strict=True):
        assert all(map(np.array_equal, frame.instances.dense, saved.instances.dense))


def test_edited_people_keep_their_dense_poses(finished, tmp_path):
    for name in ("poses.jsonl", "street.npz"):
        shutil.copy(finished / name, tmp_path / name)
    before = list(read_dense(tmp_path / "poses.jsonl"))
    editor = PosesEditor(tmp_path / "poses.jsonl")
    track_id = int(before[0].instances.track_ids[0])
    frames = editor.index.frames
    editor.rename(track_id, 77)
    editor.delete(77, int(frames[4]), int(frames[4]))
    editor.interpolate(77)
    for position, (old, new) in enumerate(zip(before, read_dense(tmp_path / "poses.jsonl"), strict=True)):
        (row,) = np.flatnonzero(new.instances.track_ids == 77)
        if position == 4:  # Made by hand, so that no network has seen it.
            assert new.instances.dense[row].size == 0
        elif track_id in old.instances.track_ids:
            (old_row,) = np.flatnonzero(old.instances.track_ids == track_id)
            np.testing.assert_array_equal(new.instances.dense[row], old.instances.dense[old_row])
    raw = read_dense(tmp_path / "poses.jsonl", raw=True)
    assert [frame.instances.track_ids.tolist() for frame in raw] == [
        frame.instances.track_ids.tolist() for frame in before
    ]


def test_dense_poses_go_to_a_folder_of_their_own(tracker, finished, tmp_path):
    output = Output(tmp_path / "out", has_overlay=False, dense=tmp_path / "dense" / "mine.npz")
    tracker.run_into(CLIP, output, **PART)
    assert list_dense(tmp_path / "dense" / "mine.npz") == list_dense(finished / "street.npz")
    header = json.loads((tmp_path / "out" / "poses.jsonl").read_text().splitlines()[0])
    assert header["dense"] == "../dense/mine.npz"
    with pytest.raises(ResultsError, match=r"dense poses: are in .*mine\.npz"):
        tracker.run(CLIP, tmp_path / "out", existing="resume", overlay=False, **PART)
    with pytest.raises(ResultsError, match=r"mine\.npz: is there already"):
        tracker.run_into(
            CLIP, Output(tmp_path / "other", has_overlay=False, dense=tmp_path / "dense" / "mine.npz"), **PART
        )


def test_overwriting_removes_the_other_forms_of_before(tracker, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    report = tracker.run(CLIP, tmp_path / "out", existing="overwrite", overlay=False, start_s=3.2, end_s=3.3)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"poses.jsonl", "street.npz"}
    assert len(list(read_dense(tmp_path / "out" / "street.npz"))) == report.num_frames


def test_joined_tracks_have_their_final_ids_everywhere(tracker, tmp_path, monkeypatch):
    """Ids are changed in the middle of the run, and the pass after it joins them."""

    def split(frames):
        for frame in frames:
            people = frame.instances
            ids = people.track_ids + (50 if frame.index > 84 else 0)
            yield replace(frame, instances=people.with_columns(track_ids=ids))

    make_pipeline = Tracker._make_pipeline

    def make_split(self, video, own, **options):
        pipeline = make_pipeline(self, video, own, **options)
        stages = (*pipeline.processors, Stage("split", split))
        return replace(pipeline, processors=stages)

    monkeypatch.setattr(Tracker, "_make_pipeline", make_split)
    drawn: list[Frame] = []
    monkeypatch.setattr(
        "posetrack.run.stitch.Painter", lambda *arguments: lambda frame: drawn.append(frame) or frame.image
    )
    report = tracker.run(CLIP, tmp_path, **PART)
    assert report.num_joined + report.num_dropped > 0
    poses = list(read_poses(tmp_path / "poses.jsonl"))
    ids_of_poses = [
        frame.instances.track_ids[frame.instances.dense_rows >= 0].tolist()
        for frame in poses
        if frame.instances.dense_rows is not None
    ]
    dense = [frame.instances for frame in read_dense(tmp_path / "street.npz")]
    assert [sorted(people.track_ids.tolist()) for people in dense if len(people)] == [
        sorted(ids) for ids in ids_of_poses
    ]
    # The annotated video was drawn once more, with dense poses.
    assert len(drawn) == 10
    assert any(pose.size for frame in drawn for pose in frame.instances.dense)


def test_what_follows_a_run_keeps_the_dense_poses(finished, tmp_path):
    out = tmp_path / "elsewhere" / "again.jsonl"
    out.parent.mkdir()
    retrack(read_poses(finished / "poses.jsonl"), out, read_recipe("fast"), video=None)
    before, after = (list(read_dense(path)) for path in (finished / "poses.jsonl", out))
    kept = [pose.tobytes() for frame in after for pose in frame.instances.dense]
    assert kept
    assert set(kept) <= {pose.tobytes() for frame in before for pose in frame.instances.dense}
    for name in ("csv", "coco", "mot", "openpose"):
        assert convert(out, name, tmp_path / name).exists()


def test_recipes_without_dense_poses_refuse_to_save_them(tmp_path):
    tracker = Tracker("fast")
    for output in (Output(tmp_path / "a", dense=tmp_path), Output(tmp_path / "a", dense_forms=("png",))):
        with pytest.raises(ResultsError, match="recipe fast gives no dense poses"):
            tracker.run_into(CLIP, output, **PART)
    assert not (tmp_path / "a").exists()


def test_what_no_run_has_written_stays_in_the_folder_of_dense_poses(tracker, finished, tmp_path):
    dense = tmp_path / "dense"
    shutil.copytree(finished / "street_iuv", dense / "street_iuv")
    (dense / "street_iuv" / "notes.txt").write_text("mine")
    (dense / "street_densepose.json").write_text("mine")
    output = Output(tmp_path / "out", has_overlay=False, dense=dense)
    tracker.run_into(CLIP, output, start_s=3.2, end_s=3.3)
    assert (dense / "street_densepose.json").read_text() == "mine"
    assert len(list((dense / "street_iuv").iterdir())) == 21
    for existing, form, message in (
        ("refuse", "densepose-json", r"street_densepose\.json: is there already"),
        ("refuse", "png", "street_iuv: is there already"),
        ("overwrite", "png", r"street_iuv: would be replaced, but holds 'notes\.txt'"),
        ("resume", "png", r"street_iuv: would be replaced, but holds 'notes\.txt'"),
    ):
        folder = tmp_path / ("out" if existing == "resume" else "other")
        asked = replace(output, folder=folder, existing=existing, dense_forms=(form,))
        if existing == "refuse":
            asked = replace(asked, dense=dense / "street.npz")
            (dense / "street.npz").rename(dense / "kept")
        with pytest.raises(ResultsError, match=message):
            tracker.run_into(CLIP, asked, start_s=3.2, end_s=3.3)
        if existing == "refuse":
            (dense / "kept").rename(dense / "street.npz")
    tracker.run_into(CLIP, replace(output, existing="overwrite"), start_s=3.2, end_s=3.3)
    assert [path.name for path in (dense / "street_iuv").iterdir()] == ["notes.txt"]
    assert not (dense / "street_densepose.json").exists()


def test_dense_poses_of_another_run_are_not_taken_for_those_of_the_poses(tracker, finished, tmp_path):
    for name in ("poses.jsonl", "street.npz"):
        shutil.copy(finished / name, tmp_path / name)
    tracker.run(CLIP, tmp_path / "other", overlay=False, start_s=3.2, end_s=3.6, every=2)
    shutil.copy(tmp_path / "other" / "street.npz", tmp_path / "street.npz")
    before = (tmp_path / "poses.jsonl").read_bytes()
    with pytest.raises(ResultsError, match=r"street\.npz: is of another run than .*poses\.jsonl, by its setti"):
        tracker.run(CLIP, tmp_path, existing="resume", overlay=False, **PART)
    with pytest.raises(ResultsError, match=r"street\.npz: is of another run"):
        read_dense(tmp_path / "poses.jsonl")
    assert (tmp_path / "poses.jsonl").read_bytes() == before


def test_poses_are_not_thrown_away_where_their_dense_poses_are_missing(tracker, finished, tmp_path):
    shutil.copy(finished / "poses.jsonl", tmp_path / "poses.jsonl")
    with pytest.raises(ResultsError, match=r"street\.npz: is missing, and .*poses\.jsonl has 10 frames"):
        tracker.run(CLIP, tmp_path, existing="resume", overlay=False, **PART)
    assert (tmp_path / "poses.jsonl").read_bytes() == (finished / "poses.jsonl").read_bytes()
