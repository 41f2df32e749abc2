"""Two files of poses of one video, drawn beside each other."""

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

from posetrack import PeopleSelection, draw_poses, read_poses
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.render import RenderStyle
from posetrack.results.dense_file import DenseWriter
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

BLACK = RenderStyle(background="black")


@pytest.fixture
def pair(tmp_path):
    """Two people, and in some frames one of them."""
    both = write_poses(tmp_path / "both.jsonl", two_people)
    return both, write_poses(tmp_path / "one.jsonl", lambda i: make_person(30, 1), number=6, start=2)


def read_all(folder):
    return [read_png(path) for path in sorted(folder.iterdir())]


def test_each_half_is_the_drawing_of_its_own(pair, tmp_path):
    both, one = pair
    draw_poses(both, tmp_path / "pair", style=BLACK, beside=read_poses(one))
    draw_poses(both, tmp_path / "right", style=BLACK)
    draw_poses(one, tmp_path / "left", style=BLACK)
    drawn, right, left = (read_all(tmp_path / name) for name in ("pair", "right", "left"))
    nobody = np.zeros_like(right[0])
    for i, image in enumerate(drawn):
        expected = left[i - 2] if 2 <= i < 8 else nobody
        np.testing.assert_array_equal(image, np.concatenate([expected, right[i]], axis=1))


def test_all_of_the_others_are_drawn_from_the_first_frame_that_counts(pair, tmp_path):
    both, one = pair
    options = {"style": BLACK, "start_s": 3 / float(FPS), "every": 2}
    draw_poses(one, tmp_path / "pair", beside=read_poses(both), selection=PeopleSelection(drop={1}), **options)
    draw_poses(both, tmp_path / "all", **options)
    drawn, whole = read_all(tmp_path / "pair"), read_all(tmp_path / "all")
    assert len(drawn) == 3
    for image, left in zip(drawn, whole, strict=False):
        np.testing.assert_array_equal(image[:, : SIZE_WH[0]], left)
        assert image[:, SIZE_WH[0] :].max() == 0


def test_faces_of_the_others_are_blurred_in_both_halves(tmp_path):
    video = write_video(tmp_path / "clip.mp4", make_images())
    here = write_poses(tmp_path / "a.jsonl", lambda i: make_person(100, 5), source=video)
    others = write_poses(tmp_path / "b.jsonl", lambda i: make_person(30, 1), source=video)
    style = RenderStyle(blur_faces=True, skeletons=False, boxes=False, ids=False)
    draw_poses(here, tmp_path / "a.png", style=style, beside=read_poses(others))
    image = read_png(tmp_path / "a.png")
    assert find_contrast(image) < 25
    assert find_contrast(image[:, SIZE_WH[0] :]) < 25
    # Of the one that is drawn, too.
    assert image[24:36, SIZE_WH[0] + 104 : SIZE_WH[0] + 116].astype(float).std() < 25
    assert image[24:36, 104:116].astype(float).std() < 25


def test_dense_poses_of_the_others_are_drawn(pair, tmp_path):
    header = Header("a.mp4", *SIZE_WH, FPS, COCO_17, "densepose", dense=tmp_path / "a.npz")
    person = make_person(30, 1).with_columns(dense=(np.full((80, 20, 3), 9, np.uint8),))
    with DenseWriter(header.dense, header) as dense, JsonlWriter(tmp_path / "dense.jsonl", header) as writer:
        rows = dense.write(0, 0.0, person, SIZE_WH)
        writer.write(0, 0.0, person.with_columns(dense_rows=rows))
    style = RenderStyle(background="black", boxes=False, skeletons=False, ids=False)
    draw_poses(pair[1], tmp_path / "a", style=style, beside=read_poses(tmp_path / "dense.jsonl"))
    assert read_all(tmp_path / "a")[0].max() == 0  # frame 2
    draw_poses(pair[0], tmp_path / "b", style=style, beside=read_poses(tmp_path / "dense.jsonl"))
    first, second = read_all(tmp_path / "b")[:2]
    assert first[:, : SIZE_WH[0]].max() > 50
    assert first[:, SIZE_WH[0] :].max() == second.max() == 0


def test_what_cannot_be_compared(pair, tmp_path):
    both, one = pair
    for options in ({"out": tmp_path / "a.png", "side_by_side": True}, {"sheet": tmp_path / "s.png"}):
        with pytest.raises(PoseTrackError, match="beside: draws on the left of --out"):
            draw_poses(both, style=BLACK, beside=read_poses(one), **options)
    with JsonlWriter(tmp_path / "wide.jsonl", Header("a.mp4", 640, 120, FPS, COCO_17, "fast")) as writer:
        writer.write(0, 0.0, two_people(0))
    with pytest.raises(ResultsError, match="give --beside poses of the same video"):
        draw_poses(both, tmp_path / "a.png", style=BLACK, beside=read_poses(tmp_path / "wide.jsonl"))
