"""The pass over a finished run: what is in its files before and after, and when it fails."""

import json
import logging
import os
import shutil
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from posetrack import read_poses
from posetrack.build import Pipeline
from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.low_pass import LowPass
from posetrack.pipeline import Stage
from posetrack.processors.own import OwnProcessors
from posetrack.processors.smooth import SmootherConfig, smooth
from posetrack.processors.stitch import StitcherConfig
from posetrack.recipe import read_recipe
from posetrack.render import RenderStyle
from posetrack.run import stitch
from posetrack.run.job import Output, run_job
from posetrack.run.report import RunInterrupted
from posetrack.run.retrack import RetrackReport, retrack
from posetrack.run.stitch import Stitcher
from posetrack.run.view import DrawnView
from posetrack.selection.people import EVERYONE, PeopleSelection
from posetrack.selection.region import ImageRegion
from posetrack.skeleton import COCO_17
from posetrack.video.arrays import ArraySequence
from posetrack.video.base import Selection
from posetrack.video.source import open_video

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
NUM_FRAMES = 40
SIZE_WH = (160, 120)
BROKEN = {i: 1 if i < 20 else 4 for i in range(NUM_FRAMES)}
WHOLE = dict.fromkeys(range(NUM_FRAMES), 1)
GAP = {i: 1 for i in range(NUM_FRAMES) if i not in (10, 11)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of a person in red on a noisy wall."""
    folder = tmp_path_factory.mktemp("images")
    wall = np.random.default_rng(0).integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    for i in range(NUM_FRAMES):
        image = wall.copy()
        image[20:100, 30 + i : 60 + i] = (0, 0, 200)
        cv2.imwrite(str(folder / f"{i:03}.png"), image)
    return folder


def make_person(index, track_id):
    points = np.stack([np.linspace(30, 60, 17) + index, np.linspace(20, 100, 17)], axis=1)[None]
    return Instances(
        boxes_xyxy=[[30 + index, 20, 60 + index, 100]],
        box_scores=[0.9],
        keypoints_xy=points + np.sin(index),
        keypoint_scores=np.full((1, 17), 0.8),
        track_ids=[track_id],
    )


def make_pipeline(ids, *, smoothed=False, others=()):
    """Stands for networks and tracker: someone walks, under these ids; in some frames another is seen."""

    def find(frames):
        for frame in frames:
            motion = None if frame.index == 0 else np.eye(2, 3, dtype=np.float32)
            found = [make_person(frame.index, ids[frame.index])] if frame.index in ids else []
            if frame.index in others:
                found.append(make_person(frame.index + 60, 9))
            people = Instances.concatenate([Instances.empty(17).with_columns(track_ids=[]), *found])
            if frame.is_restored:
                people = frame.instances
            yield replace(frame, instances=people, skeleton=COCO_17, background_motion=motion)

    stages = [Stage("find", find)] + ([Stage("smooth", smooth(SmootherConfig()))] if smoothed else [])
    return Pipeline(tuple(stages), COCO_17)


def run_made(source, out, ids, *, stitched=True, smoothed=False, others=(), **output):
    config, smoother = StitcherConfig() if stitched else None, SmootherConfig() if smoothed else None
    stitcher = Stitcher(config, COCO_17, smoother=smoother)
    video = open_video(source) if not isinstance(source, ArraySequence) else source
    with video:
        return run_job(
            video,
            make_pipeline(ids, smoothed=smoothed, others=others),
            "made",
            Output(out, **output),
            stitcher=stitcher if stitched or smoothed else None,
        )


def run_with_own(source, out, ids, process, *, others=(), selection=EVERYONE):
    """A run with a processor of the user's own."""
    own, pipeline = OwnProcessors([process]), make_pipeline(ids, others=others)
    pipeline = replace(pipeline, processors=(*pipeline.processors, Stage("own", own)))
    stitcher = Stitcher(StitcherConfig(), COCO_17, own=own, selection=selection)
    with open_video(source) as video:
        return run_job(video, pipeline, "made", Output(out), stitcher=stitcher)


def read_images(path):
    with av.open(str(path)) as video:
        return [image.to_ndarray(format="rgb24") for image in video.decode(video=0)]


def read_ids(out):
    return [frame.instances.track_ids.tolist() for frame in read_poses(out / "poses.jsonl")]


def list_names(out):
    return {path.name for path in out.iterdir()}


def test_a_broken_track_ends_up_as_if_it_had_never_been_broken(folder, tmp_path):
    report = run_made(folder, tmp_path / "joined", BROKEN, formats=("mot",))
    run_made(folder, tmp_path / "whole", WHOLE, stitched=False, formats=("mot",))
    for name in ("poses.jsonl", "mot.txt"):
        assert (tmp_path / "joined" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    joined, whole = (read_images(tmp_path / name / "overlay.mp4") for name in ("joined", "whole"))
    np.testing.assert_array_equal(joined, whole)
    assert (report.num_ids, report.num_joined, report.num_dropped, report.num_people) == (1, 1, 0, NUM_FRAMES)
    assert list_names(tmp_path / "joined") == {"poses.jsonl", "overlay.mp4", "mot.txt"}


def test_the_style_is_that_of_both_drawings(folder, tmp_path):
    style = RenderStyle(skeletons=False, ids=False, trails=False)
    run_made(folder, tmp_path / "joined", BROKEN, view=DrawnView(style))
    run_made(folder, tmp_path / "whole", WHOLE, stitched=False, view=DrawnView(style))
    run_made(folder, tmp_path / "full", BROKEN)
    joined, whole, full = (read_images(tmp_path / name / "overlay.mp4") for name in ("joined", "whole", "full"))
    np.testing.assert_array_equal(joined, whole)
    assert np.abs(np.subtract(joined, full, dtype=np.float32)).mean() > 2


def test_smoothing_runs_along_joined_tracks(folder, tmp_path):
    run_made(folder, tmp_path / "joined", BROKEN, smoothed=True)
    run_made(folder, tmp_path / "whole", WHOLE, smoothed=True, stitched=False)
    pairs = zip(*(read_poses(tmp_path / name / "poses.jsonl") for name in ("joined", "whole")), strict=True)
    for joined, whole in pairs:
        np.testing.assert_allclose(joined.instances.smoothed_xy, whole.instances.smoothed_xy, atol=0.03)


@pytest.mark.parametrize("stitched", [True, False])
def test_smoothing_has_no_lag_in_files_and_the_video_shows_it(stitched, folder, tmp_path):
    run_made(folder, tmp_path, WHOLE, stitched=stitched, smoothed=True)
    frames = list(read_poses(tmp_path / "poses.jsonl"))
    found, smoothed = (
        np.stack([getattr(frame.instances, name)[0, 0] for frame in frames])
        for name in ("keypoints_xy", "smoothed_xy")
    )
    times_s = np.array([frame.time_s for frame in frames])
    np.testing.assert_allclose(smoothed, LowPass(6).filter(times_s, found), atol=0.02)
    run_made(folder, tmp_path / "found", WHOLE, stitched=False)
    assert (tmp_path / "overlay.mp4").read_bytes() != (tmp_path / "found" / "overlay.mp4").read_bytes()


def test_gaps_are_filled_and_marked_and_short_tracks_dropped(folder, tmp_path):
    report = run_made(folder, tmp_path, GAP, others=range(20, 24))
    assert read_ids(tmp_path) == [[1]] * NUM_FRAMES
    lines = (tmp_path / "poses.jsonl").read_text().splitlines()[1:]
    people = [json.loads(line)["people"][0] for line in lines]
    assert [i for i, person in enumerate(people) if "interpolated" in person] == [10, 11]
    assert people[10]["interpolated"] is True
    np.testing.assert_allclose(people[10]["box"], [40, 20, 70, 100], atol=0.01)
    assert (report.num_ids, report.num_dropped, report.num_interpolated) == (1, 1, 2)


def test_without_the_pass_everything_stays_as_it_was_tracked(folder, tmp_path):
    report = run_made(folder, tmp_path, BROKEN, others=range(20, 24), stitched=False)
    assert read_ids(tmp_path)[19:25] == [[1], *[[4, 9]] * 4, [4]]
    assert (report.num_ids, report.num_joined, report.num_dropped) == (3, 0, 0)


def test_where_nothing_changes_nothing_is_written_again(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(stitch, "SavedPoses", None)
    assert run_made(folder, tmp_path, WHOLE).num_joined == 0
    assert read_ids(tmp_path) == [[1]] * NUM_FRAMES


@pytest.mark.parametrize("where", ["give_final_ids", "redraw"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_pass_that_fails_leaves_the_files_of_the_run(where, error, folder, tmp_path, monkeypatch):
    run_made(folder, tmp_path / "online", BROKEN, stitched=False)

    def fail(*args, **kwargs):
        raise error("here")

    monkeypatch.setattr(stitch, where, fail)
    with pytest.raises(RunInterrupted if error is KeyboardInterrupt else error):
        run_made(folder, tmp_path / "failed", BROKEN)
    assert list_names(tmp_path / "failed") == {"poses.jsonl", "overlay.mp4"}
    for name in ("poses.jsonl", "overlay.mp4"):
        assert (tmp_path / "failed" / name).read_bytes() == (tmp_path / "online" / name).read_bytes()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_drawing_that_stops_halfway_leaves_the_video_of_the_run(error, folder, tmp_path, monkeypatch):
    class Halfway(stitch.Painter):
        def __call__(self, frame):
            if frame.index == NUM_FRAMES // 2:
                raise error("here")
            return super().__call__(frame)

    monkeypatch.setattr(stitch, "Painter", Halfway)
    with pytest.raises(RunInterrupted if error is KeyboardInterrupt else error):
        run_made(folder, tmp_path, BROKEN)
    assert list_names(tmp_path) == {"poses.jsonl", "overlay.mp4"}
    assert len(read_images(tmp_path / "overlay.mp4")) == NUM_FRAMES
    assert read_ids(tmp_path)[-1] == [4]


def test_a_source_that_cannot_be_read_again_keeps_its_overlay(tmp_path, caplog):
    images = np.random.default_rng(0).integers(0, 255, (NUM_FRAMES, SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    images[:, 20:100] = 90
    with caplog.at_level(logging.WARNING):
        run_made(ArraySequence(images, Selection(), Fraction(25)), tmp_path, BROKEN)
    (line,) = caplog.messages
    assert line == (
        "overlay.mp4 shows what the run drew, before tracks were joined or smoothed: arrays: cannot be read a "
        "second time"
    )
    assert read_ids(tmp_path) == [[1]] * NUM_FRAMES
    assert len(read_images(tmp_path / "overlay.mp4")) == NUM_FRAMES
    assert list_names(tmp_path) == {"poses.jsonl", "overlay.mp4"}


def test_a_stitched_run_that_is_resumed_stays_as_it_is(folder, tmp_path):
    ids = {i: track_id for i, track_id in BROKEN.items() if i not in (10, 11)}
    run_made(folder, tmp_path, ids, others=range(20, 24), smoothed=True)
    before, overlay = (tmp_path / "poses.jsonl").read_bytes(), read_images(tmp_path / "overlay.mp4")
    assert before.count(b'"interpolated": true') == 2
    report = run_made(folder, tmp_path, ids, others=range(20, 24), smoothed=True, existing="resume")
    assert (report.num_joined, report.num_dropped, report.num_interpolated) == (0, 0, 0)
    assert (tmp_path / "poses.jsonl").read_bytes() == before
    again = read_images(tmp_path / "overlay.mp4")
    # Saved poses are rounded to hundredths of pixels.
    assert np.abs(np.subtract(again, overlay, dtype=np.float32)).mean() < 2


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_part_of_a_source_is_opened_again_as_that_part(is_folder, folder):
    with open_video(folder if is_folder else CLIP, start_s=0.4, end_s=1.6, every=2) as video:
        again = video.reopen()
        assert again is not None
        with again:
            first, second = list(video), list(again)
    assert [frame.index for frame in first] == list(range(10, 40, 2))
    for one, other in zip(first, second, strict=True):
        assert (one.index, one.time_s) == (other.index, other.time_s)
        np.testing.assert_array_equal(one.image, other.image)
    assert again.info == video.info


def test_faults_of_a_source_are_logged_once(folder, tmp_path, caplog):
    images, out = tmp_path / "images", tmp_path / "out"
    shutil.copytree(folder, images)
    (images / "005.png").write_bytes(b"no image")
    with caplog.at_level(logging.WARNING):
        report = run_made(images, out, BROKEN)
    assert (report.num_joined, report.num_damaged, len(caplog.messages)) == (1, 1, 1)
    assert len(read_images(out / "overlay.mp4")) == NUM_FRAMES - 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_read_again(tmp_path):
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    with av.open(str(tmp_path / "clip.mkv"), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        out.mux(stream.encode())
    content = (tmp_path / "clip.mkv").read_bytes()
    feeder = threading.Thread(target=pipe.write_bytes, args=(content,))
    feeder.start()
    with open_video(pipe) as video:
        assert video.reopen() is None
        assert len(list(video)) == 3
    feeder.join()


def test_saved_poses_are_joined_when_they_are_tracked_again(folder, tmp_path):
    """Someone is missed for longer than the tracker remembers; interpolated people are no detections."""
    ids = {i: 1 for i in range(NUM_FRAMES) if i not in range(10, 25) and i not in (5, 6)}
    run_made(folder, tmp_path, ids)
    poses, recipe = read_poses(tmp_path / "poses.jsonl"), read_recipe("fast")
    recipe = replace(recipe, tracker=replace(recipe.tracker, queue_s=0.2))
    assert sum(frame.instances.is_interpolated is not None for frame in poses) == 2
    plain, joined = tmp_path / "plain.jsonl", tmp_path / "joined.jsonl"
    assert retrack(poses, plain, recipe, video=None, stitched=False).num_ids == 2
    assert retrack(poses, joined, recipe, video=None) == RetrackReport(1, num_joined=1)
    assert plain.read_text().count("interpolated") == 0
    assert joined.read_text().count("interpolated") == 2
    assert list_names(tmp_path) == {"poses.jsonl", "overlay.mp4", "plain.jsonl", "joined.jsonl"}


def test_a_resumed_run_that_ends_earlier_is_not_joined_and_nothing_is_lost(folder, tmp_path, caplog):
    run_made(folder, tmp_path, BROKEN, stitched=False)
    before = (tmp_path / "poses.jsonl").read_bytes()
    with open_video(folder, end_s=1.0) as video:
        shorter = run_job(
            video,
            make_pipeline(BROKEN),
            "made",
            Output(tmp_path, ("mot",), existing="resume"),
            stitcher=Stitcher(StitcherConfig(), COCO_17),
        )
    assert (shorter.num_frames, shorter.num_joined) == (25, 0)
    assert (tmp_path / "poses.jsonl").read_bytes() == before
    assert (tmp_path / "mot.txt").exists()
    assert "has frames after the end of this run; its tracks are not joined" in caplog.text


def test_a_pass_that_cannot_write_costs_neither_formats_nor_report(folder, tmp_path, monkeypatch, caplog):
    def fail(*_, **__):
        raise ResultsError("disk is full")

    monkeypatch.setattr(Stitcher, "_make_processors", fail)
    report = run_made(folder, tmp_path, BROKEN, formats=("mot",))
    assert (report.num_frames, report.num_joined) == (NUM_FRAMES, 0)
    assert list_names(tmp_path) == {"poses.jsonl", "overlay.mp4", "mot.txt"}
    assert "its tracks are not joined, nor smoothed: disk is full" in caplog.text


def remove_images(folder):
    for i in (20, 21):
        (folder / f"{i:03}.png").unlink()


def enlarge_images(folder):
    for path in folder.iterdir():
        cv2.imwrite(str(path), np.zeros((2 * SIZE_WH[1], 2 * SIZE_WH[0], 3), np.uint8))


@pytest.mark.parametrize("change", [remove_images, enlarge_images, shutil.rmtree])
def test_a_source_that_changed_is_not_drawn_over(change, folder, tmp_path, caplog):
    source, out = shutil.copytree(folder, tmp_path / "source"), tmp_path / "out"
    run_made(source, tmp_path / "online", BROKEN, stitched=False)
    with open_video(source) as video:
        pipeline = make_pipeline(BROKEN)
        seen = []

        def follow(frame):
            seen.append(frame.index)
            if len(seen) == NUM_FRAMES:
                change(source)

        stitcher = Stitcher(StitcherConfig(), COCO_17)
        report = run_job(video, pipeline, "made", Output(out), sinks=[follow], stitcher=stitcher)
    assert report.num_joined == 1
    assert "overlay.mp4 shows what the run drew, before tracks were joined or smoothed" in caplog.text
    for name in ("overlay.mp4",):
        assert (out / name).read_bytes() == (tmp_path / "online" / name).read_bytes()
    assert read_ids(out) == [[1]] * NUM_FRAMES


def test_ctrl_c_between_the_two_files_does_not_part_them(folder, tmp_path, monkeypatch):
    draw = stitch.redraw

    def draw_and_stop(*args, **options):
        draw(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(stitch, "redraw", draw_and_stop)
    with pytest.raises(RunInterrupted):
        run_made(folder, tmp_path, BROKEN)
    assert read_ids(tmp_path) == [[1]] * NUM_FRAMES
    assert list_names(tmp_path) == {"poses.jsonl", "overlay.mp4"}


def test_what_a_killed_pass_left_goes_with_the_next_run(folder, tmp_path):
    run_made(folder, tmp_path, WHOLE)
    (tmp_path / ".poses.jsonl.part").write_text("half of a file")
    run_made(folder, tmp_path, WHOLE, stitched=False, existing="resume")
    assert list_names(tmp_path) == {"poses.jsonl", "overlay.mp4"}


def test_an_overlay_of_other_ids_is_told_of(folder, tmp_path, caplog):
    run_made(folder, tmp_path, BROKEN, stitched=False)
    with open_video(folder) as video:
        output = Output(tmp_path, has_overlay=False, existing="resume")
        run_job(video, make_pipeline(BROKEN), "made", output, stitcher=Stitcher(StitcherConfig(), COCO_17))
    assert "overlay.mp4: is of an earlier run and shows other ids" in caplog.text


def test_a_file_url_is_read_again(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(CLIP.read_bytes())
    with open_video(f"file://{tmp_path}/clip.mp4") as video:
        again = video.reopen()
        assert again is not None
        with again:
            assert again.info == video.info


def test_who_was_left_out_by_an_own_processor_does_not_come_back_in_a_gap(folder, tmp_path):
    def leave_out(frames):
        for frame in frames:
            yield replace(frame, instances=frame.instances[: int(frame.index not in (10, 11))])

    def change_nothing(frames):
        return (frame for frame in frames)

    report = run_with_own(folder, tmp_path / "left", BROKEN, leave_out)
    assert (report.num_joined, report.num_interpolated) == (1, 0)
    assert [len(ids) for ids in read_ids(tmp_path / "left")] == [
        int(i not in (10, 11)) for i in range(NUM_FRAMES)
    ]
    report = run_with_own(folder, tmp_path / "all", GAP, change_nothing)
    assert report.num_interpolated == 2


def test_a_short_stay_counts_where_an_own_processor_decides(folder, tmp_path):
    def keep_five(frames):
        for frame in frames:
            yield replace(frame, instances=frame.instances[: int(15 <= frame.index < 20)])

    assert run_with_own(folder, tmp_path, WHOLE, keep_five).num_dropped == 0
    assert sum(map(len, read_ids(tmp_path))) == 5


def test_images_that_an_own_processor_has_changed_are_changed_in_the_redrawn_video(folder, tmp_path):
    def blacken(frames):
        for frame in frames:
            yield replace(frame, image=np.zeros_like(frame.image))

    assert run_with_own(folder, tmp_path, BROKEN, blacken).num_joined == 1
    images = np.array(read_images(tmp_path / "overlay.mp4"))
    # The wall is noise; a person drawn on black leaves most of the image black.
    assert np.median(images) < 5
    assert read_ids(tmp_path) == [[1]] * NUM_FRAMES


def test_filled_gaps_keep_to_the_selection(folder, tmp_path):
    # Over 10 and 11, the person walks from 55 to 57.
    selection = PeopleSelection(regions=(ImageRegion([(0, 0), (55.5, 0), (55.5, 120), (0, 120)]),))
    report = run_with_own(folder, tmp_path, GAP, lambda frames: frames, selection=selection)
    assert report.num_interpolated == 1
    assert [len(ids) for ids in read_ids(tmp_path)][9:13] == [1, 1, 0, 1]


def test_faces_of_people_who_are_dropped_stay_blurred(folder, tmp_path):
    style = RenderStyle(blur_faces=True, skeletons=False, boxes=False, ids=False)
    view = DrawnView(style, is_side_by_side=True)
    report = run_made(folder, tmp_path / "blurred", BROKEN, others=range(30, 32), view=view)
    assert (report.num_joined, report.num_dropped) == (1, 1)
    bare = DrawnView(replace(style, blur_faces=False), is_side_by_side=True)
    run_made(folder, tmp_path / "sharp", BROKEN, others=range(30, 32), view=bare)
    blurred, sharp = (read_images(tmp_path / name / "overlay.mp4")[30] for name in ("blurred", "sharp"))
    assert blurred.shape == (SIZE_WH[1], 2 * SIZE_WH[0], 3)
    changed = np.abs(blurred.astype(int) - sharp).mean(axis=2)
    for left in (0, SIZE_WH[0]):
        for x in (30 + 30, 30 + 60 + 30):  # the one who is drawn, and the other one
            assert changed[20:40, left + x : left + x + 15].mean() > 15
    assert changed[100:].mean() < 5
    saved = read_poses(tmp_path / "blurred" / "poses.jsonl")
    assert saved.header.has_blurred_faces
    # The one who was dropped is known to later drawings, too.
    frames = list(saved)
    assert [len(frames[i].faces_xyxy) for i in (30, 31)] == [1, 1]
    assert all(frame.faces_xyxy is None for frame in frames[:30])
    with pytest.raises(ResultsError, match=r"faces: blurred \(--blur-faces\), but this run shows them"):
        run_made(folder, tmp_path / "blurred", BROKEN, existing="resume")
    run_made(folder, tmp_path / "sharp", BROKEN, existing="resume", view=view)
    again = read_images(tmp_path / "sharp" / "overlay.mp4")[30]
    assert np.abs(again[20:40, 60:75].astype(int) - sharp[20:40, 60:75]).mean() > 15


def test_a_video_of_a_run_is_scaled_and_never_transparent(folder, tmp_path):
    run_made(folder, tmp_path, BROKEN, view=DrawnView(scale=0.5))
    assert read_images(tmp_path / "overlay.mp4")[0].shape == (60, 80, 3)
    with pytest.raises(ResultsError, match="no transparency; draw the poses"):
        Output(tmp_path, view=DrawnView(RenderStyle(background="transparent")))
