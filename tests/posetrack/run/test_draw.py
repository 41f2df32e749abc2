"""Saved poses drawn: over a video, without one, as files of every kind."""

import logging
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from made_drawings import (
    NUM_FRAMES,
    WALL,
    find_contrast,
    make_images,
    make_person,
    read_png,
    two_people,
    write_poses,
    write_video,
)

from posetrack import PeopleSelection, draw_poses
from posetrack.errors import PoseTrackError, ResultsError, VideoError
from posetrack.frame import Instances
from posetrack.render import RenderStyle
from posetrack.run.sheet import MOST_ROWS

BLACK = RenderStyle(background="black")


@pytest.fixture
def poses(tmp_path):
    """Two people of a video that is there."""
    write_video(tmp_path / "clip.mp4", make_images())
    return write_poses(tmp_path / "poses.jsonl", two_people, source=tmp_path / "clip.mp4")


def read_video(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [frame.to_ndarray(format="rgb24") for frame in frames], [round(f.time, 3) for f in frames]


def test_a_video_is_drawn_over_its_source(poses, tmp_path):
    report = draw_poses(poses, tmp_path / "out.mp4")
    assert (report.files, report.num_frames, report.num_ids) == ((tmp_path / "out.mp4",), NUM_FRAMES, 2)
    images, times_s = read_video(tmp_path / "out.mp4")
    assert times_s == pytest.approx([i / 25 for i in range(NUM_FRAMES)])
    background = images[0][:, 60:90].astype(int) - WALL[:, 60:90]
    assert np.abs(background).mean() < 12
    assert np.abs(images[0][30:100, 30:50].astype(int) - WALL[30:100, 30:50]).mean() > 30
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "poses.jsonl", "out.mp4"}


def test_a_run_folder_and_black_need_no_video(tmp_path):
    write_poses(tmp_path / "poses.jsonl", two_people, source="gone.mp4")
    draw_poses(tmp_path, tmp_path / "out.png", style=BLACK)
    image = read_png(tmp_path / "out.png")
    assert image.shape == (120, 160, 3)
    assert image[:, 60:95].max() == 0
    assert image[:, 30:50].max() > 200
    with pytest.raises(
        VideoError, match=r"gone\.mp4: no such file or folder; give the video.*--video, or draw on"
    ):
        draw_poses(tmp_path, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
    with pytest.raises(ResultsError, match=r"no poses\.jsonl in this folder"):
        draw_poses(tmp_path.parent / tmp_path.name / "..", tmp_path / "b.png")


def test_only_one_person_is_drawn_and_unknown_ids_are_named(poses, tmp_path):
    draw_poses(poses, tmp_path / "a.png", style=RenderStyle(background="black", only=frozenset({5})))
    draw_poses(poses, tmp_path / "b.png", style=BLACK, selection=PeopleSelection(drop={5}))
    a, b = read_png(tmp_path / "a.png"), read_png(tmp_path / "b.png")
    assert a[:, :90].max() == 0 < a[:, 90:].max()
    assert b[:, 90:].max() == 0 < b[:, :90].max()
    with pytest.raises(PoseTrackError, match=r"--only: no id 7; ids there: 1, 5"):
        draw_poses(poses, tmp_path / "c.png", style=BLACK, selection=PeopleSelection(only={7}))


def test_every_part_and_scale(poses, tmp_path):
    options = {"every": 3, "start_s": 0.08, "end_s": 0.36, "scale": 0.5}
    report = draw_poses(poses, tmp_path / "out.mp4", **options)
    images, times_s = read_video(tmp_path / "out.mp4")
    assert times_s == pytest.approx([0, 0.12, 0.24])
    assert report.num_frames == 3
    assert images[0].shape == (60, 80, 3)


def test_a_folder_of_pngs_is_replaced_only_if_it_is_ours(poses, tmp_path):
    style = RenderStyle(background="transparent")
    draw_poses(poses, tmp_path / "images", style=style)
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert names == [f"{i:06}.png" for i in range(NUM_FRAMES)]
    image = read_png(tmp_path / "images" / "000003.png")
    assert image.shape == (120, 160, 4)
    assert image[:, 60:95, 3].max() == 0 < image[:, 30:50, 3].max()
    with pytest.raises(ResultsError, match="is there already; use --overwrite"):
        draw_poses(poses, tmp_path / "images")
    draw_poses(poses, tmp_path / "images", end_s=0.1, overwrite=True)
    assert len(list((tmp_path / "images").iterdir())) == 3
    (tmp_path / "images" / "mine.txt").write_text("")
    with pytest.raises(ResultsError, match=r"holds 'mine\.txt'"):
        draw_poses(poses, tmp_path / "images", overwrite=True)
    assert len(list((tmp_path / "images").iterdir())) == 4


def test_the_images_of_the_video_are_never_replaced(tmp_path):
    (tmp_path / "images").mkdir()
    for i, image in enumerate(make_images(number=3)):
        cv2.imwrite(str(tmp_path / "images" / f"{i:06}.png"), image)
    for source in (tmp_path / "images", tmp_path / "images" / "*.png"):
        poses = write_poses(tmp_path / "poses.jsonl", two_people, number=3, source=source)
        for style in (None, BLACK):
            with pytest.raises(ResultsError, match="input"):
                draw_poses(poses, tmp_path / "images", style=style, overwrite=True)
    assert len(list((tmp_path / "images").iterdir())) == 3
    assert draw_poses(poses, tmp_path / "drawn.gif").num_frames == 3


@pytest.mark.parametrize(
    ("name", "background", "message"),
    [
        ("a.mp4", "transparent", r"MP4 has no transparency; write \.mov"),
        ("a.mov", "video", r"\.mov is for drawings on a transparent background"),
        (
            "a.avi",
            "video",
            r"no such kind of drawing; known: \.mp4, \.gif, \.png, \.mov, \.webm; a name without",
        ),
        ("a.mp5", "video", r"did you mean '\.mp4'"),
        ("clip.mp4", "video", "is the input itself"),
        ("clip.mp4", "black", "is the input itself"),
        ("poses.jsonl", "video", "no such kind"),
    ],
)
def test_outputs_that_cannot_be_written(poses, tmp_path, name, background, message):
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(ResultsError, match=message):
        draw_poses(poses, tmp_path / name, style=RenderStyle(background=background), overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_video_of_another_size_or_rate_or_length(poses, tmp_path, caplog):
    large = write_video(tmp_path / "large.mp4", make_images((320, 240)))
    draw_poses(poses, tmp_path / "out.mp4", video=large, style=BLACK)
    assert "320 x 240, but the poses are from 160 x 120; they are scaled to the video" in caplog.text
    images, _ = read_video(tmp_path / "out.mp4")
    assert images[0].shape == (240, 320, 3)
    assert images[0][:, 200:240].max() > 150
    assert images[0][:, 120:190].max() < 20
    wide = write_video(tmp_path / "wide.mp4", make_images((320, 120)))
    with pytest.raises(VideoError, match=r"320 x 120, but the poses are from 160 x 120; give the video"):
        draw_poses(poses, tmp_path / "b.mp4", video=wide)
    short = write_video(tmp_path / "short.mp4", make_images(number=4))
    with pytest.raises(VideoError, match="ends before frame 4 of the saved poses; give the video"):
        draw_poses(poses, tmp_path / "b.mp4", video=short)
    slow = write_video(tmp_path / "slow.mp4", make_images(), fps=Fraction(5))
    with pytest.raises(VideoError, match=r"frame 2 is at 0\.400 s, and at 0\.080 s in the saved poses"):
        draw_poses(poses, tmp_path / "b.mp4", video=slow)
    assert not list(tmp_path.glob("*b.*"))


def test_files_without_frames_or_with_half_a_line(poses, tmp_path, caplog):
    lines = poses.read_text().splitlines(keepends=True)
    poses.write_text(lines[0])
    with pytest.raises(ResultsError, match="holds no frames"):
        draw_poses(poses, tmp_path / "a.gif", style=BLACK)
    poses.write_text("")
    with pytest.raises(ResultsError, match="empty"):
        draw_poses(poses, tmp_path / "a.gif", style=BLACK)
    poses.write_text("".join(lines[:4]) + lines[4][:40])
    with caplog.at_level(logging.WARNING):
        assert draw_poses(poses, tmp_path / "a.gif", style=BLACK, sheet=tmp_path / "s.png").num_frames == 3
    assert caplog.text.count("cut short") == 1
    with pytest.raises(ResultsError, match="no frame between 9 s and the end"):
        draw_poses(poses, tmp_path / "b.gif", style=BLACK, start_s=9)


def test_nobody_is_still_a_video(tmp_path):
    poses = write_poses(tmp_path / "poses.jsonl", lambda i: Instances.empty(17), number=3)
    assert draw_poses(poses, tmp_path / "a.mp4", style=BLACK).num_frames == 3
    assert len(read_video(tmp_path / "a.mp4")[0]) == 3
    draw_poses(poses, tmp_path / "a.png", style=BLACK)
    with pytest.raises(ResultsError, match="nobody with a track id"):
        draw_poses(poses, sheet=tmp_path / "s.png", style=BLACK)
    with pytest.raises(PoseTrackError, match="nothing to draw"):
        draw_poses(poses)


def test_a_png_shows_the_first_frame_with_somebody(tmp_path):
    def later(i):
        return make_person(30 + i, 1) if i >= 4 else Instances.empty(17)

    poses = write_poses(tmp_path / "poses.jsonl", later)
    assert draw_poses(poses, tmp_path / "a.png", style=BLACK).num_frames == 1
    draw_poses(poses, tmp_path / "b.png", sheet=tmp_path / "s.png", style=BLACK)
    image = read_png(tmp_path / "a.png")
    assert image[:, :31].max() == 0 < image[:, 34:54].max()
    np.testing.assert_array_equal(image, read_png(tmp_path / "b.png"))


@pytest.mark.parametrize("selection", [PeopleSelection(), PeopleSelection(only={5}), PeopleSelection(drop={1})])
def test_faces_are_blurred_everywhere_also_of_those_who_are_not_drawn(poses, tmp_path, selection):
    style = RenderStyle(blur_faces=True, boxes=False, skeletons=False, ids=False)
    sheet = tmp_path / "s.png"
    draw_poses(
        poses, tmp_path / "images", style=style, side_by_side=True, selection=selection, sheet=sheet, end_s=0.2
    )
    assert find_contrast(WALL) > 50
    for path in (tmp_path / "images").iterdir():
        image = read_png(path)
        assert image.shape == (120, 320, 3)
        for half in (image[:, :160], image[:, 160:]):
            assert find_contrast(half) < 25
            assert np.abs(half[60:, 60:].astype(int) - WALL[60:, 60:]).mean() < 12
    plain = tmp_path / "plain.png"
    draw_poses(poses, sheet=plain, style=RenderStyle(skeletons=False), selection=selection, end_s=0.2)
    blurred, sharp = read_png(sheet), read_png(plain)
    # The head is in the upper third of a cell.
    assert np.abs(blurred[4:60, 134:250].astype(int) - sharp[4:60, 134:250]).mean() > 4


def test_side_by_side_shows_the_video_on_the_left(poses, tmp_path):
    draw_poses(poses, tmp_path / "a.png", style=BLACK, side_by_side=True)
    image = read_png(tmp_path / "a.png")
    assert image.shape == (120, 320, 3)
    assert np.abs(image[:, :160].astype(int) - WALL).mean() < 12
    assert image[:, 160 + 60 : 160 + 95].max() == 0


def test_the_sheet_has_a_row_for_each_person_by_first_appearance(tmp_path):
    def people(i):
        late = [make_person(100, 2)] if i >= 6 else []
        return Instances.concatenate([make_person(30, 7), *late])

    poses = write_poses(tmp_path / "poses.jsonl", people)
    draw_poses(poses, sheet=tmp_path / "s.png", style=BLACK)
    sheet = read_png(tmp_path / "s.png")
    assert sheet.shape == (2 * 182 + 4, 130 + 8 * 124, 3)
    first, second = sheet[4:164, 130:], sheet[186:346, 130:]
    shown = [
        [cell[:, :120].max() > 0 and (cell[:, :120] == 0).any() for cell in np.split(row, 8, axis=1)]
        for row in (first, second)
    ]
    assert shown == [[True] * 8, [True] * 4 + [False] * 4]  # four frames, four images


def test_a_sheet_of_many_shows_those_who_are_there_longest(tmp_path, caplog):
    def people(i):
        return Instances.concatenate([make_person(30, n) for n in range(MOST_ROWS + 5) if n >= 5 or i == 0])

    poses = write_poses(tmp_path / "poses.jsonl", people, number=2)
    draw_poses(poses, sheet=tmp_path / "s.png", style=BLACK)
    assert read_png(tmp_path / "s.png").shape == (MOST_ROWS * 182 + 4, 130 + 2 * 124, 3)
    assert f"the {MOST_ROWS} people who are there longest, of {MOST_ROWS + 5}" in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_drawing_leaves_nothing(poses, tmp_path, error):
    def stop(frame):
        if frame.index == 5:
            raise error

    for name in ("a.mp4", "a.gif", "images"):
        before = {path.name for path in tmp_path.iterdir()}
        with pytest.raises(error):
            draw_poses(poses, tmp_path / name, style=BLACK, sheet=tmp_path / "s.png", progress=stop)
        assert {path.name for path in tmp_path.iterdir()} == before


def test_scales_are_checked(poses, tmp_path):
    for scale in (0, -1, float("nan"), 99):
        with pytest.raises(PoseTrackError, match="scale"):
            draw_poses(poses, tmp_path / "a.gif", scale=scale)
