"""People who walk: feet that do not slip, clothes that stay the same, and the clip that is made of them."""

import av
import numpy as np
import pytest
from made_bodies import write_bodies
from made_scripts import load_script

from posetrack.evaluation.mot.files import read_true_boxes

LEFT_ANKLE, RIGHT_ANKLE = 15, 16
SIZE = "96x54"


@pytest.fixture(scope="module")
def pack_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    write_bodies(folder)
    return folder


@pytest.fixture(scope="module")
def walker(pack_folder):
    script = load_script("make_crossing_clip")
    pack = script.read_pack(pack_folder)
    charts = script.read_charts(len(pack.quads["body"]), pack_folder / "atlas.npz")
    return script.Walker(pack, script.PersonMaker(script.Wardrobe(pack, charts)), script.WALKS[0])


def run(pack_folder, folder, *options):
    given = ["--frames", folder / "frames", "--out", folder / "clip.mp4", "--data", pack_folder]
    given += ["--atlas", pack_folder / "atlas.npz", "--size", SIZE, *options]
    load_script("make_crossing_clip").main([str(value) for value in given])


def find_steps(walker, count=60):
    """Times over a cycle, and the place of both ankles, (count, 2, 3)."""
    times = np.arange(count) / count / load_script("make_crossing_clip").WALKS[0].cadence_hz
    return times, np.stack([walker.make(time).keypoints[[LEFT_ANKLE, RIGHT_ANKLE]] for time in times])


def test_one_foot_rests_while_the_other_goes_ahead(walker):
    times, ankles = find_steps(walker)
    steps = np.diff(ankles[..., 0], axis=0) / np.diff(times)[:, None] / walker.speed_mps
    assert np.median(np.abs(steps).min(1)) < 0.25
    assert np.median(steps.max(1)) > 1.5
    assert walker.speed_mps > 0.3


def test_walkers_are_where_they_meet_and_stand_on_the_ground(walker):
    walk = load_script("make_crossing_clip").WALKS[0]
    assert walker.find_place(walk.meets_s)[[0, 2]] == pytest.approx(walk.meets, abs=1e-5)
    assert walker.find_place(walk.meets_s + 1)[0] > walk.meets[0]
    body = walker.make(1.3).parts[0][0].corners
    assert abs(body[..., 1].min()) < 0.05


def test_clothes_stay_the_same(walker):
    places = np.random.default_rng(0).normal(0, 3, (50, 3)).astype(np.float32)
    first, later = (walker.make(time).parts for time in (0.0, 2.2))
    assert len(first) == len(later)
    for (_, one), (_, other) in zip(first, later, strict=True):
        np.testing.assert_array_equal(one.paint(places), other.paint(places))


def test_a_clip_goes_on_where_it_was_stopped(pack_folder, tmp_path):
    run(pack_folder, tmp_path, "--count", "2")
    kept = (tmp_path / "frames" / "0001.png").stat().st_mtime_ns
    run(pack_folder, tmp_path, "--count", "3")
    assert (tmp_path / "frames" / "0001.png").stat().st_mtime_ns == kept
    with av.open(str(tmp_path / "clip.mp4")) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [image.shape for image in images] == [(54, 96, 3)] * 3
    truth = read_true_boxes(tmp_path / "clip.gt.txt").boxes
    assert set(truth.frames.tolist()) == {1, 2, 3}
    assert (truth.boxes_xyxy >= 0).all()
    assert (truth.boxes_xyxy <= [96, 54, 96, 54]).all()


def test_a_size_that_is_none_is_refused(pack_folder, tmp_path):
    with pytest.raises(SystemExit, match="--size 0x5"):
        run(pack_folder, tmp_path, "--size", "0x5")
