"""Splitting of a video: where it is cut, what forbids it, and how ids are joined."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from posetrack.errors import PoseTrackError, ResultsError, VideoError
from posetrack.frame import Frame, Instances
from posetrack.recipe import read_recipe
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header, Record
from posetrack.selection.people import EVERYONE, PeopleSelection
from posetrack.skeleton import COCO_17
from posetrack.video.base import VideoInfo
from posetrack.workers.join import compare_people, join_ids
from posetrack.workers.notes import NoteTaker
from posetrack.workers.part_reader import PartReader
from posetrack.workers.split import check_split, find_beyond_s, find_overlap_s, plan_parts
from trackers.flow_tracker import FlowTrackerConfig

INFO = VideoInfo("clip.mp4", "clip", 640, 360, Fraction(25), Fraction(1, 12800), 4500)


def make_people(places, ids):
    """People whose keypoints are spread around a place."""
    offsets = np.random.default_rng(0).uniform(-40, 40, (17, 2)).astype(np.float32)
    xy = np.array(places, np.float32)[:, None] + offsets
    return Instances(
        boxes_xyxy=np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1),
        box_scores=np.ones(len(ids), np.float32),
        keypoints_xy=xy,
        keypoint_scores=np.ones((len(ids), 17), np.float32),
        track_ids=ids,
    )


def make_records(places_by_id, count=75, first=0):
    """Records in which each id is where a function of the frame says; None where it is not seen."""
    records = []
    for frame in range(first, first + count):
        seen = {i: place(frame) for i, place in places_by_id.items() if place(frame) is not None}
        people = (
            make_people(list(seen.values()), list(seen))
            if seen
            else Instances.empty(17).with_columns(track_ids=[])
        )
        records.append(Record(frame, frame / 25, people))
    return records


def walk(x, speed=2.0, frames=range(10_000)):
    return lambda frame: (x + speed * frame, 200.0) if frame in frames else None


def test_a_video_is_cut_into_equal_parts_that_overlap():
    """The borders lie between two frames, so that no rounding decides to which part a frame belongs."""
    parts = plan_parts(INFO, {}, 30.0, 3.4, 0.2)
    half_s = 0.5 / float(INFO.fps)
    borders = [30 - half_s, 60 - half_s, 90 - half_s, 120 - half_s, 150 - half_s]
    assert [part.start_s for part in parts] == pytest.approx([0, *borders])
    assert [part.tracked_s for part in parts] == pytest.approx([0, *(border - 3.4 for border in borders)])
    assert [part.end_s for part in parts] == [*(part.start_s for part in parts[1:]), None]
    assert [part.seen_s for part in parts[:-1]] == pytest.approx([border + 0.2 for border in borders])
    assert parts[-1].seen_s is None
    odd = plan_parts(replace(INFO, num_frames=1001), {}, 5.0, 3.4)
    assert [round(part.start_s * 25 % 1, 6) for part in odd[1:]] == [0.5] * 7


def test_a_part_of_a_video_is_cut_within_it():
    parts = plan_parts(replace(INFO, num_frames=100), {"start_s": 2.0, "end_s": 10.0, "every": 2}, 4.0, 3.0)
    border = 6.0 - 0.5 / float(INFO.fps)
    assert [(part.start_s, part.end_s) for part in parts] == [(2.0, border), (border, 10.0)]
    assert [part.tracked_s for part in parts] == pytest.approx([2.0, border - 3.0])
    near = plan_parts(replace(INFO, num_frames=100), {"start_s": 2.0, "end_s": 6.1}, 2.0, 3.0, 0.5)
    assert [part.seen_s for part in near] == [near[0].end_s + 0.5, 6.1]
    assert len(plan_parts(replace(INFO, num_frames=20), {}, 30.0, 3.4)) == 1


def test_what_cannot_be_split():
    with pytest.raises(VideoError, match=r"clip\.mp4: its length is not known"):
        plan_parts(replace(INFO, num_frames=None), {}, 30.0, 3.4)
    with pytest.raises(VideoError, match=r"clip\.mp4: images, which are not split"):
        plan_parts(replace(INFO, kind="images"), {}, 30.0, 3.4)


def test_the_overlap_is_longer_than_the_trackers_memory():
    assert find_overlap_s(FlowTrackerConfig(queue_s=1.2)) == pytest.approx(3.4)
    assert find_overlap_s(FlowTrackerConfig(motion="flow", queue_frames=10)) == 3.0
    assert find_overlap_s(FlowTrackerConfig(queue_frames=250)) == pytest.approx(21.0)


def test_what_forbids_a_split():
    fast, default = read_recipe("fast"), read_recipe("default")
    check_split(3.4, fast, EVERYONE, blurs_faces=True)
    for seconds in (3.3, 0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(PoseTrackError, match=r"--split .*: parts overlap by 3\.4 s with recipe fast"):
            check_split(seconds, fast, EVERYONE, blurs_faces=False)
    with pytest.raises(PoseTrackError, match="--max-people or --blur-faces"):
        check_split(30.0, fast, PeopleSelection(max_people=2), blurs_faces=True)
    with pytest.raises(PoseTrackError, match="dense poses"):
        check_split(30.0, read_recipe("dense"), EVERYONE, blurs_faces=False)
    check_split(30.0, default, EVERYONE, blurs_faces=False)
    auto = replace(default, detector=replace(default.detector, det_every="auto"))
    with pytest.raises(PoseTrackError, match=r"set detector\.det_every to a number"):
        check_split(30.0, auto, EVERYONE, blurs_faces=False)
    assert find_beyond_s(replace(default.detector, det_every=1)) == 0
    assert find_beyond_s(replace(default.detector, det_every=5)) > 0.2


def test_ids_are_joined_one_to_one():
    before = make_records({4: walk(100), 7: walk(400, -2.0), 9: walk(700)})
    after = make_records({1: walk(700), 2: walk(100), 3: walk(400, -2.0)})
    assert join_ids(before, after, COCO_17) == {1: 9, 2: 4, 3: 7}


def test_who_somebody_is_at_the_border_decides():
    """The part that begins there has taken one for the other at first."""
    before = make_records({4: walk(100), 7: walk(400)})
    swapped = make_records({1: walk(400), 2: walk(100)}, 30)
    after = [*swapped, *make_records({1: walk(100), 2: walk(400)}, 45, 30)]
    assert join_ids(before, after, COCO_17) == {1: 4, 2: 7}


def write_part(folder, records):
    """A part, with notes in which the camera stands still."""
    folder.mkdir()
    header = Header("clip.mp4", 1000, 400, Fraction(25), COCO_17, "fast")
    taker = NoteTaker(COCO_17, look_at_images=False)
    with JsonlWriter(folder / "poses.jsonl", header) as writer:
        for record in records:
            writer.write(record.frame, record.time_s, record.instances)
            image = np.broadcast_to(np.zeros(3, np.uint8), (400, 1000, 3))
            taker(Frame(record.frame, record.time_s, image, record.instances, background_motion=np.eye(2, 3)))
    taker.write(folder / "notes.npz")
    return folder / "poses.jsonl"


def test_frames_of_parts_are_read_as_those_of_the_whole(tmp_path):
    """7 is not known to the second part, which finds it later; 8 is long forgotten; 3 is new."""
    first = {4: walk(100), 7: walk(400), 8: walk(700, frames=range(20))}
    second = {1: walk(100), 2: walk(400, frames=range(120, 200)), 3: walk(800, frames=range(110, 200))}
    paths = [
        write_part(tmp_path / "0", make_records(first, 104)),
        write_part(tmp_path / "1", make_records(second, 150, 50)),
    ]
    reader = PartReader(paths, [0.0, 3.98])
    frames = list(reader.read(remembered_s=1.2))
    assert [frame.index for frame in frames] == list(range(200))
    assert reader.ranges == [(0, 0.0, 99), (100, 4.0, 199)]
    assert (reader.num_carried, reader.num_lost) == (1, 1)
    ids = [sorted(frame.instances.track_ids.tolist()) for frame in frames]
    assert ids[0] == [1, 2, 3]
    assert ids[99] == [1, 2]
    assert ids[100] == [1]
    assert ids[115] == [1, 4]
    assert ids[199] == [1, 4, 5]
    assert (frames[150].background_motion == np.eye(2, 3)).all()
    long = PartReader(paths, [0.0, 3.98])
    assert len(list(long.read(remembered_s=60.0))) == 200
    assert (long.num_carried, long.num_lost) == (1, 2)


def test_a_part_without_frames_is_one_line(tmp_path):
    paths = [
        write_part(tmp_path / str(i), make_records({1: walk(100)}, count)) for i, count in enumerate((50, 0))
    ]
    with pytest.raises(ResultsError, match="this part has no frames; give a longer --split"):
        list(PartReader(paths, [0.0, 2.0]).read(remembered_s=1.2))


def test_far_people_are_nobody_and_none_are_none():
    before, after = make_records({4: walk(100)}), make_records({1: walk(900)})
    assert join_ids(before, after, COCO_17) == {}
    assert join_ids([], after, COCO_17) == {}
    assert join_ids(before, [], COCO_17) == {}
    nobody = make_records({}, 5)
    assert join_ids(nobody, nobody, COCO_17) == {}


def test_people_without_keypoints_are_compared_by_boxes():
    people = Instances(boxes_xyxy=[[0, 0, 10, 10], [20, 0, 30, 10]], track_ids=[1, 2])
    table = compare_people(people, people[[1, 0]], COCO_17)
    assert table == pytest.approx(np.array([[0, 1], [1, 0]]))
