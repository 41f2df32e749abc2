"""Crops: clips and images of people, cut out of the video of saved poses."""

import sys
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from posetrack.cli.main import main
from posetrack.errors import PoseTrackError, ResultsError, VideoError
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.poses import read_poses
from posetrack.results.record import Header
from posetrack.run import crops
from posetrack.run.crops import crop_people
from posetrack.selection.people import PeopleSelection
from posetrack.skeleton import COCO_17
from posetrack.video.base import VideoInfo
from posetrack.video.writer import VideoWriter

SIZE_WH = (160, 96)
NUM_FRAMES = 30
COLORS = {1: (220, 40, 40), 2: (40, 200, 40), 5: (40, 40, 220)}


def list_people(index):
    """Boxes by id: one goes to the right, one is there late and hidden for a moment, one for three frames."""
    people = {1: (10 + 3 * index, 20, 30 + 3 * index, 70)}
    if index >= 5 and index not in (15, 16):
        people[2] = (100, 40, 116, 80)
    if 20 <= index < 23:
        people[5] = (140, 10, 170, 40)
    return people


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    info = VideoInfo("clip.mp4", "clip", *SIZE_WH, Fraction(25), Fraction(1, 12800), NUM_FRAMES)
    header = Header(str(folder / "clip.mp4"), *SIZE_WH, Fraction(25), COCO_17, "fast")
    with VideoWriter(folder / "clip.mp4", info) as video, JsonlWriter(folder / "poses.jsonl", header) as writer:
        for index in range(NUM_FRAMES):
            image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 128, np.uint8)
            people = list_people(index)
            for track_id, (x1, y1, x2, y2) in people.items():
                image[y1:y2, x1:x2] = COLORS[track_id]
            video.write(image, index / 25)
            ids, boxes = list(people), np.reshape(list(people.values()), (-1, 4))
            scores = [0.9 if index == 8 else 0.6] * len(ids)
            found = Instances(boxes_xyxy=boxes, box_scores=scores, track_ids=ids)
            writer.write(index, index / 25, found, SIZE_WH)
    return folder


def read_clip(path):
    with av.open(str(path)) as clip:
        frames = list(clip.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [float(frame.time) for frame in frames]


def find_centre(image, color):
    near = np.abs(image.astype(int) - color).max(axis=2) < 60
    return np.argwhere(near).mean(axis=0)[::-1] / (image.shape[1], image.shape[0])


def test_a_clip_follows_each_person_at_one_size(folder, tmp_path):
    files = crop_people(read_poses(folder / "poses.jsonl"), tmp_path / "out")
    assert [file.name for file in files] == ["person-1.mp4", "person-2.mp4", "person-5.mp4"]
    images, times = read_clip(files[0])
    assert len(images) == NUM_FRAMES
    assert np.diff(times) == pytest.approx([0.04] * (NUM_FRAMES - 1), abs=1e-3)
    height, width = images[0].shape[:2]
    assert 25 <= width <= 28, "20 px, 1.25 of that, to the next step of sizes"
    assert 62 <= height <= 68
    # Later, the second one hides a part of the first.
    centres = [find_centre(image, COLORS[1]) for image in images[2:20]]
    assert np.array(centres) == pytest.approx(np.full((18, 2), 0.5), abs=0.05)


def test_a_short_gap_is_followed_through(folder, tmp_path):
    files = crop_people(read_poses(folder / "poses.jsonl").select(PeopleSelection(only={2})), tmp_path / "out")
    images, _ = read_clip(files[0])
    assert len(images) == NUM_FRAMES - 5
    assert len(files) == 1


def test_windows_stay_inside_the_image(folder, tmp_path):
    files = crop_people(read_poses(folder / "poses.jsonl").select(PeopleSelection(only={5})), tmp_path / "out")
    images, _ = read_clip(files[0])
    assert len(images) == 3
    assert min(image.min() for image in images) > 20, "nothing is black"


def test_more_people_than_encoders_take_more_passes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(crops, "MOST_ENCODERS", 1)
    files = crop_people(read_poses(folder / "poses.jsonl"), tmp_path / "one")
    monkeypatch.setattr(crops, "MOST_ENCODERS", 8)
    others = crop_people(read_poses(folder / "poses.jsonl"), tmp_path / "all")
    for file, other in zip(files, others, strict=True):
        (images, times), (other_images, other_times) = read_clip(file), read_clip(other)
        # The encoder does not always give the last block the same bits.
        assert np.abs(np.subtract(images, other_images, dtype=float)).mean() < 1
        assert times == other_times


def test_thumbnails_are_of_the_best_frame(folder, tmp_path):
    files = crop_people(read_poses(folder / "poses.jsonl"), tmp_path / "out", thumbnails=True, padding=1)
    assert [file.name for file in files] == ["person-1.png", "person-2.png", "person-5.png"]
    image = cv2.imread(str(files[0]))[..., ::-1]
    assert image.shape[:2] == (50, 20)
    assert np.abs(image.mean(axis=(0, 1)) - COLORS[1]).max() < 30


def test_what_is_there_is_replaced_only_when_asked_for(folder, tmp_path):
    poses = read_poses(folder / "poses.jsonl")
    out = tmp_path / "out"
    crop_people(poses, out, thumbnails=True)
    with pytest.raises(ResultsError, match="is there already; use --overwrite, or another --out"):
        crop_people(poses, out, thumbnails=True)
    crop_people(poses.select(PeopleSelection(only={1})), out, thumbnails=True, overwrite=True)
    assert [file.name for file in out.iterdir()] == ["person-1.png"]
    (out / "mine.txt").write_text("keep")
    with pytest.raises(ResultsError, match=r"holds 'mine\.txt'"):
        crop_people(poses, out, thumbnails=True, overwrite=True)
    assert (out / "mine.txt").read_text() == "keep"


def test_a_failure_leaves_nothing_behind(folder, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(12):
        cv2.imwrite(str(images / f"{i:03}.png"), np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8))
    with pytest.raises(VideoError, match="ends before frame 12 of the saved poses"):
        crop_people(read_poses(folder / "poses.jsonl"), tmp_path / "out", video=images)
    assert {path.name for path in tmp_path.iterdir()} == {"images"}


def test_a_missing_video_is_asked_for(folder, tmp_path):
    poses = read_poses(folder / "poses.jsonl")
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, replace(poses.header, source="gone.mp4")) as writer:
        for frame in poses:
            writer.write(frame.index, frame.time_s, frame.instances, SIZE_WH)
    with pytest.raises(VideoError, match=r"gone\.mp4: no such file or folder; give .* with --video$"):
        crop_people(read_poses(path), tmp_path / "out")


def test_nobody_to_cut_out(folder, tmp_path):
    poses = read_poses(folder / "poses.jsonl")
    with pytest.raises(ResultsError, match="nobody fits --score 1, so there is nobody to cut out"):
        crop_people(poses.select(PeopleSelection(min_score=1)), tmp_path / "out")
    path = tmp_path / "untracked.jsonl"
    with JsonlWriter(path, poses.header) as writer:
        writer.write(0, 0.0, Instances(boxes_xyxy=[[1, 2, 3, 4]], box_scores=[1]), SIZE_WH)
    with pytest.raises(ResultsError, match="nobody has a track id"):
        crop_people(read_poses(path), tmp_path / "out")
    with pytest.raises(PoseTrackError, match="padding: nan"):
        crop_people(poses, tmp_path / "out", padding=float("nan"))
    assert not (tmp_path / "out").exists()


def test_the_command(folder, tmp_path, monkeypatch, capsys):
    arguments = [folder / "poses.jsonl", "--thumbnails", "--drop", "1", "--blur-faces", "-o", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["posetrack", "crops", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    assert (
        capsys.readouterr().out == f"{tmp_path / 'out' / 'person-2.png'}\n{tmp_path / 'out' / 'person-5.png'}\n"
    )
