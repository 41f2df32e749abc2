"""A tracker with a selection and processors of the user's own: in `track`, in `run`, and resumed."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from posetrack import PeopleSelection, PoseTrackError, Tracker, draw_poses, read_poses, read_regions
from posetrack.errors import ResultsError
from posetrack.render import RenderStyle

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
PART = {"start_s": 3.2, "end_s": 3.5}


@pytest.fixture(scope="module")
def tracker():
    return Tracker("fast")


def choose(tracker, *, selection=PeopleSelection(), processors=()):  # noqa: B008
    """The same networks, without loading them again."""
    other = object.__new__(Tracker)
    other.__dict__.update(tracker.__dict__, _selection=selection, _own=tuple(processors))
    return other


def count_people(frames):
    return [len(frame.instances) for frame in frames]


def test_people_are_chosen_in_track(tracker):
    everyone = count_people(tracker.track(CLIP, **PART))
    assert sum(everyone) == 8
    for region, expected in (("50%,0,100%,100%", everyone), ("0,0,50%,100%", [0] * 8)):
        chosen = choose(tracker, selection=PeopleSelection(regions=read_regions(region)))
        assert count_people(chosen.track(CLIP, **PART)) == expected
    with pytest.raises(PoseTrackError, match=r"street\.mp4: --roi 700,0,800,9: lies outside the image"):
        next(choose(tracker, selection=PeopleSelection(regions=read_regions("700,0,800,9"))).track(CLIP))


def test_a_run_says_whom_it_chose_and_goes_on_with_the_same_choice_only(tracker, tmp_path, caplog):
    chosen = choose(tracker, selection=PeopleSelection(max_people=1, min_height_px=20))
    chosen.run(CLIP, tmp_path, overlay=False, **PART)
    path = tmp_path / "poses.jsonl"
    whole = path.read_bytes()
    assert json.loads(whole.splitlines()[0])["run"]["selection"] == "--max-people 1 --min-height 20"
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    chosen.run(CLIP, tmp_path, overlay=False, existing="resume", **PART)
    assert path.read_bytes() == whole
    with pytest.raises(ResultsError, match="choice of people: --max-people 1 --min-height 20, but"):
        tracker.run(CLIP, tmp_path, overlay=False, existing="resume", **PART)
    with caplog.at_level(logging.WARNING):
        nobody = choose(tracker, selection=PeopleSelection(min_height_px=9999))
        report = nobody.run(CLIP, tmp_path, overlay=False, existing="overwrite", **PART)
    assert report.num_people == 0
    assert "street: nobody fits --min-height 9999; the results are empty" in caplog.text


def shift(frames):
    """Moves everyone a pixel to the right."""
    for frame in frames:
        people = frame.instances
        yield replace(frame, instances=replace(people, keypoints_xy=people.keypoints_xy + np.float32([1, 0])))


def read_noses(path):
    return [frame.instances.keypoints_xy[0, 0].tolist() for frame in read_poses(path)]


def test_own_processors_change_what_is_given_and_written_once(tracker, tmp_path):
    mine = choose(tracker, processors=[shift])
    tracker.run(CLIP, tmp_path / "plain", overlay=False, **PART)
    mine.run(CLIP, tmp_path / "mine", overlay=False, **PART)
    plain, shifted = (read_noses(tmp_path / name / "poses.jsonl") for name in ("plain", "mine"))
    assert shifted == [pytest.approx([x + 1, y], abs=0.011) for x, y in plain]
    given = [frame.instances.keypoints_xy[0, 0].tolist() for frame in mine.track(CLIP, **PART)]
    assert given == [pytest.approx(nose, abs=0.006) for nose in shifted]
    path = tmp_path / "mine" / "poses.jsonl"
    whole = path.read_bytes()
    assert json.loads(whole.splitlines()[0])["run"]["processors"] == ["shift"]
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    mine.run(CLIP, tmp_path / "mine", overlay=False, existing="resume", **PART)
    assert read_noses(path) == [pytest.approx(nose, abs=0.02) for nose in shifted]
    with pytest.raises(ResultsError, match="own processors: shift, but this run has none"):
        tracker.run(CLIP, tmp_path / "mine", overlay=False, existing="resume", **PART)


ELSEWHERE = PeopleSelection(regions=read_regions("0,0,50%,100%"))
BLURRED = RenderStyle(blur_faces=True)


def drop_all(frames):
    for frame in frames:
        yield replace(frame, instances=frame.instances[:0])


def find_details(video):
    """How much neighbouring pixels of the cyclist's face differ in each frame of a drawing of CLIP."""
    with av.open(str(video)) as container:
        images = [image.to_ndarray(format="rgb24") for image in container.decode(video=0)]
    return [np.abs(np.diff(image[46:62, 417:433].astype(float), axis=1)).mean() for image in images]


@pytest.mark.parametrize("options", [{"selection": ELSEWHERE}, {"processors": [drop_all]}])
def test_faces_of_people_who_are_left_out_are_blurred_in_all_that_is_drawn(tracker, tmp_path, options):
    chosen = choose(tracker, **options)
    chosen.run(CLIP, tmp_path / "seen", **PART)
    report = chosen.run(CLIP, tmp_path / "out", overlay=BLURRED, **PART)
    assert report.num_people == 0
    poses, overlay = tmp_path / "out" / "poses.jsonl", tmp_path / "out" / "overlay.mp4"
    assert [len(frame.faces_xyxy) for frame in read_poses(poses)] == [1] * 8
    seen, blurred = (find_details(tmp_path / name / "overlay.mp4") for name in ("seen", "out"))
    assert max(blurred) < min(seen) / 2
    draw_poses(poses, tmp_path / "again.mp4", style=BLURRED, scale=1.0)
    assert max(find_details(tmp_path / "again.mp4")) < min(seen) / 2
    whole = poses.read_bytes()
    poses.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    with pytest.raises(ResultsError, match="faces: blurred"):
        chosen.run(CLIP, tmp_path / "out", existing="resume", **PART)
    chosen.run(CLIP, tmp_path / "out", existing="resume", overlay=BLURRED, **PART)
    assert max(find_details(overlay)) < min(seen) / 2
    assert len(read_poses(poses).list_ids()) == 0


def test_a_run_that_left_people_out_cannot_be_resumed_with_their_faces_blurred(tracker, tmp_path):
    chosen = choose(tracker, selection=ELSEWHERE)
    chosen.run(CLIP, tmp_path, **PART)
    with pytest.raises(ResultsError, match="faces: those of people who were left out are not known"):
        chosen.run(CLIP, tmp_path, existing="resume", overlay=BLURRED, **PART)


def test_with_faces_the_same_people_are_chosen(tracker, tmp_path):
    chosen = choose(tracker, selection=PeopleSelection(min_height_px=9999))
    chosen.run(CLIP, tmp_path / "tall", overlay=BLURRED, **PART)
    assert sum(count_people(read_poses(tmp_path / "tall" / "poses.jsonl"))) == 0
    chosen = choose(tracker, selection=PeopleSelection(min_height_px=50, max_people=1))
    chosen.run(CLIP, tmp_path / "all", overlay=BLURRED, **PART)
    frames = list(read_poses(tmp_path / "all" / "poses.jsonl"))
    assert count_people(frames) == [1] * 8
    assert all(frame.faces_xyxy is None for frame in frames)


def test_ids_are_not_known_before_a_run():
    with pytest.raises(PoseTrackError, match="only, drop: ids are known when a run has ended"):
        Tracker("fast", selection=PeopleSelection(only={1}))


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="divice"):
        Tracker("fast", divice="cpu")
