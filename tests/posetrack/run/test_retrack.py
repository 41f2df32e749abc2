"""Saved poses followed again."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from posetrack import read_poses
from posetrack.errors import ResultsError, VideoError
from posetrack.frame import Instances
from posetrack.recipe import read_recipe
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.run.retrack import check_size, retrack
from posetrack.skeleton import COCO_17
from posetrack.video.arrays import ArraySequence
from posetrack.video.base import Selection

SIZE_WH = (160, 120)
NUM_FRAMES = 5
HEADER = Header("clip.mp4", *SIZE_WH, Fraction(25), COCO_17, "default")
IMAGE = np.random.default_rng(0).integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)


def make_person(x: float, track_id: int) -> Instances:
    points = np.stack([np.linspace(x, x + 30, 17), np.linspace(20, 100, 17)], axis=1)[None]
    return Instances(
        boxes_xyxy=[[x, 20, x + 30, 100]],
        box_scores=[0.9],
        keypoints_xy=points,
        keypoint_scores=np.full((1, 17), 0.8),
        track_ids=[track_id],
    )


@pytest.fixture
def saved(tmp_path):
    """One person who stands still, with another id in each frame."""
    with JsonlWriter(tmp_path / "poses.jsonl", HEADER) as writer:
        for i in range(NUM_FRAMES):
            writer.write(i, i / 25, make_person(40, track_id=100 + i))
    return read_poses(tmp_path / "poses.jsonl")


def make_video(number: int, size_wh: tuple[int, int] = SIZE_WH) -> ArraySequence:
    image = IMAGE[: size_wh[1], : size_wh[0]]
    return ArraySequence([image] * number, Selection(), Fraction(25))


@pytest.mark.parametrize("with_video", [False, True])
def test_saved_ids_are_forgotten_and_new_ones_given(saved, tmp_path, with_video):
    out = tmp_path / "again.jsonl"
    video = make_video(NUM_FRAMES) if with_video else None
    assert retrack(saved, out, read_recipe("default"), video=video).num_ids == 1
    before, after = list(saved), list(read_poses(out))
    assert [frame.instances.track_ids.tolist() for frame in after] == [[1]] * NUM_FRAMES
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old.instances.keypoints_xy, new.instances.keypoints_xy)
    assert {path.name for path in tmp_path.iterdir()} == {"poses.jsonl", "again.jsonl"}


def test_ids_and_sizes_last_where_the_size_of_the_images_changes(tmp_path):
    header = Header("clip.mp4", *SIZE_WH, Fraction(25), COCO_17, "default")
    wide_wh = (3 * SIZE_WH[0], 3 * SIZE_WH[1])
    person = make_person(40, track_id=7)
    wide = replace(person, boxes_xyxy=person.boxes_xyxy * 3, keypoints_xy=person.keypoints_xy * 3)
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        for i in range(6):
            writer.write(i, i / 25, wide if i > 2 else person, wide_wh if i > 2 else SIZE_WH)
    saved, out = read_poses(tmp_path / "poses.jsonl"), tmp_path / "again.jsonl"
    assert retrack(saved, out, read_recipe("default"), video=None, smoothed=True).num_ids == 1
    frames = list(read_poses(out))
    assert [frame.size_wh for frame in frames] == [SIZE_WH] * 3 + [wide_wh] * 3
    assert [frame.instances.track_ids.tolist() for frame in frames] == [[1]] * 6
    np.testing.assert_allclose(frames[3].instances.smoothed_xy, wide.keypoints_xy, atol=0.02)


def test_with_an_estimator_missed_people_are_propagated(tmp_path):
    header = Header("clip.mp4", *SIZE_WH, Fraction(25), COCO_17, "default")
    person = make_person(40, track_id=7)
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        for i in range(3):
            writer.write(i, i / 25, person if i != 1 else Instances.empty(17))
    saved, out = read_poses(tmp_path / "poses.jsonl"), tmp_path / "again.jsonl"

    def estimate(images, boxes_xyxy):
        return [
            (person.keypoints_xy[: len(boxes)], person.keypoint_scores[: len(boxes)]) for boxes in boxes_xyxy
        ]

    for estimator, ids in ((None, [[1], [], [1]]), (estimate, [[1], [1], [1]])):
        recipe, video = read_recipe("default"), make_video(3)
        retrack(saved, out, recipe, video=video, estimator=estimator, stitched=False)
        assert [frame.instances.track_ids.tolist() for frame in read_poses(out)] == ids


def test_smoothing_is_added(saved, tmp_path):
    retrack(saved, tmp_path / "again.jsonl", read_recipe("default"), video=None, smoothed=True)
    assert all(frame.instances.smoothed_xy is not None for frame in read_poses(tmp_path / "again.jsonl"))


def test_what_was_smoothed_by_the_old_ids_is_left_out(tmp_path):
    with JsonlWriter(tmp_path / "poses.jsonl", HEADER) as writer:
        for i in range(NUM_FRAMES):
            person = make_person(40, track_id=1)
            writer.write(i, i / 25, person.with_columns(smoothed_xy=person.keypoints_xy + 9))
    out = tmp_path / "again.jsonl"
    retrack(read_poses(tmp_path / "poses.jsonl"), out, read_recipe("default"), video=None)
    assert all(frame.instances.smoothed_xy is None for frame in read_poses(out))


def test_a_video_that_is_too_short_leaves_nothing(saved, tmp_path):
    with pytest.raises(VideoError, match="arrays: ends before frame 3 of the saved poses"):
        retrack(saved, tmp_path / "again.jsonl", read_recipe("default"), video=make_video(3))
    assert {path.name for path in tmp_path.iterdir()} == {"poses.jsonl"}


def test_a_video_of_another_size_and_the_file_itself_are_refused(saved):
    check_size(saved, make_video(1))
    with pytest.raises(VideoError, match="arrays: 80 x 60, but the poses are from 160 x 120"):
        check_size(saved, make_video(1, (80, 60)))
    with pytest.raises(ResultsError, match="is the input itself; use another --out"):
        retrack(saved, saved.path, read_recipe("default"), video=None)
