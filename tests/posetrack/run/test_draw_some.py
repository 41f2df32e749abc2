"""Drawings of some of the people, or of a part: colours and blurred faces are those of the whole."""

import numpy as np
import pytest
from made_drawings import (
    FPS,
    SIZE_WH,
    find_contrast,
    make_images,
    make_person,
    read_png,
    two_people,
    write_poses,
    write_video,
)

from posetrack import ImageRegion, PeopleSelection, crop_people, draw_poses, read_poses
from posetrack.errors import PoseTrackError
from posetrack.frame import Instances
from posetrack.render import Renderer, RenderStyle, color_of
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.provenance import Provenance
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17


@pytest.fixture
def poses(tmp_path):
    """Two people of a video that is there."""
    write_video(tmp_path / "clip.mp4", make_images())
    return write_poses(tmp_path / "poses.jsonl", two_people, source=tmp_path / "clip.mp4")


def many_people(i):
    """Ids 1 and 65 have the same colour of their own: the later one gets another, as 1 is there."""
    late = [make_person(70, 65), make_person(130, 129)] if i >= 4 else []
    return Instances.concatenate([make_person(10, 1), make_person(40, 2), *late])


def find_box_colors(image):
    """The colours at the lower edges of the boxes of many_people, in their order."""
    return [tuple(image[100, x + 10].tolist()) for x in (10, 40, 70, 130)]


@pytest.mark.parametrize(
    ("track_id", "options"),
    [
        (65, {"selection": PeopleSelection(only={65})}),
        (129, {"selection": PeopleSelection(drop={1, 2}), "start_s": 0.2}),
        (129, {"selection": PeopleSelection(regions=(ImageRegion.read("110,0,160,120"),))}),
        (65, {"selection": PeopleSelection(max_people=1, only={65}), "start_s": 0.2}),
        (65, {"start_s": 0.24, "scale": 1.0}),
    ],
)
def test_an_id_has_the_same_color_however_it_is_chosen(tmp_path, track_id, options):
    poses = write_poses(tmp_path / "poses.jsonl", many_people, source="gone.mp4")
    style = RenderStyle(background="black", skeletons=False, ids=False)
    draw_poses(poses, tmp_path / "all", style=style)
    draw_poses(poses, tmp_path / "some", style=style, **options)
    whole, some = (
        find_box_colors(read_png(sorted((tmp_path / name).iterdir())[-1])) for name in ("all", "some")
    )
    place = [1, 2, 65, 129].index(track_id)
    assert len(set(whole)) == 4
    assert some[place] == whole[place] != (0, 0, 0)
    renderer = Renderer(COCO_17)
    for frame in read_poses(poses):
        renderer.follow(frame)
    assert whole[place] == renderer.find_color(track_id) != color_of(track_id)
    draw_poses(poses, sheet=tmp_path / "s.png", style=style, **options)
    sheet = read_png(tmp_path / "s.png")
    bars = {tuple(color) for color in sheet[:, 7].tolist()}
    assert whole[place] in bars


def test_poses_that_were_chosen_before_keep_colors_and_blurred_faces(poses, tmp_path):
    chosen = read_poses(poses).select(PeopleSelection(only={5}))
    draw_poses(chosen, tmp_path / "images", style=RenderStyle(blur_faces=True))
    for path in (tmp_path / "images").iterdir():
        assert find_contrast(read_png(path)) < 25
    with pytest.raises(PoseTrackError, match="chosen already, by --only 5; give one of them"):
        draw_poses(chosen, tmp_path / "b.png", selection=PeopleSelection(drop={1}))


def test_a_face_that_was_lost_just_before_the_part_is_blurred(tmp_path):
    write_video(tmp_path / "clip.mp4", make_images())
    poses = write_poses(
        tmp_path / "poses.jsonl",
        lambda i: two_people(i) if i < 5 else make_person(100, 5),
        source=tmp_path / "clip.mp4",
    )
    draw_poses(poses, tmp_path / "images", style=RenderStyle(blur_faces=True), start_s=0.24, end_s=0.32)
    for path in (tmp_path / "images").iterdir():
        assert find_contrast(read_png(path)) < 25


@pytest.mark.parametrize(
    ("selection", "is_blurred", "warns"),
    [("--max-people 1", False, True), ("--max-people 1", True, False), ("", False, False)],
)
def test_faces_that_a_run_left_out_and_did_not_save_are_named(tmp_path, caplog, selection, is_blurred, warns):
    video = write_video(tmp_path / "clip.mp4", make_images())
    run = Provenance({}, {}, "torch", "f32", selection=selection)
    header = Header(str(video), *SIZE_WH, FPS, COCO_17, "fast", run, has_blurred_faces=is_blurred)
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        for i in range(2):
            writer.write(i, i / float(FPS), make_person(100, 5), None, np.float32([[30, 20, 50, 40]]))
    draw_poses(tmp_path, tmp_path / "images", style=RenderStyle(blur_faces=True))
    crop_people(read_poses(tmp_path / "poses.jsonl"), tmp_path / "crops", thumbnails=True, blur_faces=True)
    assert caplog.text.count("is of a run with --max-people 1; faces of those it left out") == 2 * warns
    # What was saved is hidden in any case.
    assert find_contrast(read_png(tmp_path / "images" / "000000.png")) < 25
