"""Measures of a made person with known angles, against what they were made of and against other formulas."""

import importlib
import json

import numpy as np
import pytest
from made_walker import HEIGHT_PX, LENGTHS_PX, make_walker, write_poses

from posetrack import MeasuredFloor, MeasureSettings, PeopleSelection, measure, read_poses
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.low_pass import LowPass
from posetrack.measuring import tracks
from posetrack.skeleton import SKELETONS

TIMES_S = np.arange(100) / 25
RAW = MeasureSettings(cutoff_hz=None)


def walk(speed_px_s=40.0):
    return np.stack([200 + speed_px_s * TIMES_S, np.full(len(TIMES_S), 240.0)], axis=1)


def measure_one(tmp_path, xy, settings=RAW, times_s=TIMES_S, **file):
    tmp_path.mkdir(exist_ok=True)
    (person,) = measure(write_poses(tmp_path / "poses.jsonl", {3: xy}, times_s, **file), settings)
    return person


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))
@pytest.mark.parametrize("facing", [1, -1])
def test_known_angles_come_back_for_every_skeleton(skeleton, facing, tmp_path):
    swing = np.sin(2 * np.pi * TIMES_S)
    truth = {"trunk": 8 + 3 * swing, "hip": 25 * swing, "knee": 40 + 30 * swing, "elbow": 50 - 20 * swing}
    truth["shoulder"] = -20 * swing
    person = measure_one(
        tmp_path, make_walker(walk(), facing=facing, skeleton=skeleton, **truth), skeleton=skeleton
    )
    assert (person.facing == facing).all()
    for side in ("left", "right"):
        for part in ("hip", "knee", "elbow", "shoulder"):
            np.testing.assert_allclose(person[f"{side}_{part}_flexion_deg"], truth[part], atol=0.05)
            np.testing.assert_allclose(
                person[f"{side}_{part}_flexion_velocity_deg_per_s"][1:-1],
                (truth[part][2:] - truth[part][:-2]) / 0.08,
                atol=2.5,
            )
        # A thigh that is in front of a person who faces the left is at the left of the image.
        thigh = facing * truth["hip"] - truth["trunk"]
        np.testing.assert_allclose(person[f"{side}_thigh_inclination_deg"], thigh, atol=0.05)
        shank = thigh - facing * truth["knee"]
        np.testing.assert_allclose(person[f"{side}_shank_inclination_deg"], shank, atol=0.05)
        np.testing.assert_allclose(person[f"{side}_thigh_length_px"], LENGTHS_PX["thigh"], atol=0.02)
    np.testing.assert_allclose(person["trunk_inclination_deg"], truth["trunk"], atol=0.05)
    np.testing.assert_allclose(person["neck_flexion_deg"], 0, atol=0.2)
    np.testing.assert_allclose(person["knee_flexion_left_minus_right_deg"], 0, atol=0.05)
    assert np.isnan(person["pelvis_tilt_deg"]).all()  # From the side.
    assert person.summary["left_knee_flexion_range_deg"] == pytest.approx(60, abs=0.5)
    assert person.summary["knee_flexion_range_symmetry_percent"] == pytest.approx(0, abs=0.3)


def test_the_knee_is_180_degrees_less_the_angle_between_the_limbs(tmp_path):
    rng = np.random.default_rng(0)
    xy = rng.uniform(50, 400, (40, 17, 2))
    person = measure_one(tmp_path, xy, times_s=TIMES_S[:40])
    hip, knee, ankle = (np.round(xy, 2)[:, k] for k in (11, 13, 15))
    cosine = ((hip - knee) * (ankle - knee)).sum(1) / (
        np.linalg.norm(hip - knee, axis=1) * np.linalg.norm(ankle - knee, axis=1)
    )
    np.testing.assert_allclose(person["left_knee_flexion_deg"], 180 - np.degrees(np.arccos(cosine)), atol=1e-3)


def test_tilts_of_someone_seen_from_the_front(tmp_path):
    xy = make_walker(walk(0))
    for left, right, lift in ((11, 12, 10.0), (5, 6, -6.0)):
        xy[:, left] += [20, -lift]
        xy[:, right] += [-20, lift]
    person = measure_one(tmp_path, xy)
    np.testing.assert_allclose(person["pelvis_tilt_deg"], np.degrees(np.arctan(20 / 40)), atol=0.05)
    np.testing.assert_allclose(person["shoulder_tilt_deg"], np.degrees(np.arctan(-12 / 40)), atol=0.05)
    assert person["hip_width_px"] == pytest.approx(np.hypot(40, 20), abs=0.02)


def test_where_nobody_knows_the_side_signed_angles_are_gaps(tmp_path):
    xy = make_walker(walk(0), hip=30.0)
    xy[:, :5, 0] = 200  # The nose over the shoulders, and the knee straight.
    person = measure_one(tmp_path, xy)
    assert (person.facing == 0).all()
    assert np.isnan(person["left_hip_flexion_deg"]).all()
    assert np.isfinite(person["left_knee_flexion_deg"]).all()
    assert "--facing says it" in person.remarks[0]
    given = measure_one(tmp_path / "given", xy, MeasureSettings(cutoff_hz=None, facing="right"))
    np.testing.assert_allclose(given["left_hip_flexion_deg"], 30, atol=0.05)


def test_speed_path_and_time_in_every_unit(tmp_path):
    xy = make_walker(walk(40.0), hip=10.0, knee=30.0)
    path = write_poses(tmp_path / "poses.jsonl", {3: xy, 5: xy + 100}, TIMES_S)
    for settings, unit, per_px in (
        (MeasureSettings(), "px", 1),
        (MeasureSettings(unit="heights"), "heights", 1 / HEIGHT_PX),
        (MeasureSettings(height_m=1.8), "m", 1.8 / HEIGHT_PX),
        (MeasureSettings(heights_m={3: 1.8}), "m", 1.8 / HEIGHT_PX),
        (MeasureSettings(px_per_m=80), "m", 1 / 80),
    ):
        for person in measure(path, settings):
            np.testing.assert_allclose(person[f"body_speed_{unit}_per_s"], 40 * per_px, rtol=2e-3)
            np.testing.assert_allclose(person[f"left_wrist_speed_{unit}_per_s"], 40 * per_px, rtol=2e-3)
            assert person.summary[f"body_path_{unit}"] == pytest.approx(40 * 3.96 * per_px, rel=2e-3)
            assert person.summary["time_on_screen_s"] == pytest.approx(4)
            assert person.body_height_px == pytest.approx(HEIGHT_PX, rel=1e-3)
            assert person.summary[f"left_shank_length_median_{unit}"] == pytest.approx(
                LENGTHS_PX["shank"] * per_px, rel=1e-3
            )
    (one,) = measure(read_poses(path).select(PeopleSelection(only={5})), MeasureSettings(heights_m={3: 1.8}))
    assert (one.track_id, one.unit_per_px) == (5, pytest.approx(1.8 / HEIGHT_PX, rel=1e-3))
    two = measure(path, MeasureSettings(heights_m={3: 1.6, 5: 1.8}))
    assert [person.unit_per_px for person in two] == pytest.approx([1.6 / HEIGHT_PX, 1.8 / HEIGHT_PX], rel=1e-3)


def test_low_scores_are_gaps_and_only_short_ones_are_filled(tmp_path):
    xy = make_walker(walk(), knee=20.0)
    scores = np.full((100, 17), 0.9)
    scores[20:24, 13] = 0.1  # 5 steps, 0.2 s, between the frames that see the knee.
    scores[50:55, 13] = 0.1
    xy[scores < 0.3] = 999
    person = measure_one(tmp_path, xy, MeasureSettings(max_gap_s=0.2), scores={3: scores})
    knee = person["left_knee_flexion_deg"]
    assert np.isnan(knee[50:55]).all()
    assert np.isfinite(np.delete(knee, range(50, 55))).all()
    np.testing.assert_allclose(knee[20:24], 20, atol=0.5)
    measured = person.measures["left_knee_flexion_deg"]
    assert np.flatnonzero(measured.filled).tolist() == [20, 21, 22, 23]
    assert not person.measures["right_knee_flexion_deg"].filled.any()
    none = measure_one(tmp_path / "none", xy, MeasureSettings(max_gap_s=0), scores={3: scores})
    assert np.isnan(none["left_knee_flexion_deg"][20:24]).all()


def test_keypoints_are_filtered_run_by_run(tmp_path):
    xy = make_walker(walk()) + np.random.default_rng(0).normal(0, 2, (100, 17, 2))
    scores = np.full((100, 17), 0.9)
    scores[40:60, 9] = 0.0
    person = measure_one(tmp_path, xy, MeasureSettings(cutoff_hz=5, order=2), scores={3: scores})
    found = np.round(xy.astype(np.float32), 2)
    for part in (slice(0, 40), slice(60, 100)):
        expected = LowPass(5, 2).filter(TIMES_S[part], found[part, 9])
        np.testing.assert_allclose(person.keypoints_xy[part, 9], expected, atol=0.01)
    np.testing.assert_allclose(
        person.keypoints_xy[:, 15], LowPass(5, 2).filter(TIMES_S, found[:, 15]), atol=0.01
    )


def test_someone_seen_for_fewer_frames_than_the_filter_needs_is_measured_and_named(tmp_path):
    xy = make_walker(walk())
    short = xy.copy()
    short[9:] = np.nan
    people = measure(write_poses(tmp_path / "poses.jsonl", {1: xy, 2: short}, TIMES_S))
    assert people[0].warnings == ()
    (warning,) = people[1].warnings
    assert warning == "nothing is filtered: seen for fewer than the 10 frames in a row that the filter needs"
    assert np.isfinite(people[1]["left_knee_flexion_deg"]).all()
    assert people[1].unfiltered.all()


def test_a_cutoff_that_the_frame_rate_does_not_allow_leaves_everyone_unfiltered(tmp_path):
    person = measure_one(tmp_path, make_walker(walk()), MeasureSettings(), times_s=np.arange(100) / 10)
    assert person.warnings == ("nothing is filtered: 6 Hz is not under half of 10 frames a second",)


def test_irregular_times_give_the_true_speed(tmp_path):
    rng = np.random.default_rng(1)
    times_s = np.cumsum(rng.choice([0.02, 0.04, 0.06], 120))
    hips = np.stack([100 + 30 * times_s, np.full(120, 240.0)], axis=1)
    person = measure_one(tmp_path, make_walker(hips), MeasureSettings(), times_s=times_s)
    np.testing.assert_allclose(person["body_speed_px_per_s"], 30, rtol=0.02)


def test_clocks_that_stand_still_or_go_back(tmp_path):
    xy = make_walker(walk())
    twice = np.concatenate([TIMES_S[:50], TIMES_S[49:99]])
    person = measure_one(tmp_path, xy, times_s=twice)
    assert len(person.times_s) == 99
    assert (np.diff(person.times_s) > 0).all()
    broken = measure_one(tmp_path / "broken", xy, times_s=np.zeros(100))
    np.testing.assert_allclose(broken.times_s, TIMES_S)


def test_someone_who_leaves_and_comes_back_has_a_gap(tmp_path):
    xy = make_walker(walk())
    xy[30:60] = np.nan
    person = measure_one(tmp_path, xy)
    assert np.isnan(person["body_speed_px_per_s"][30:60]).all()
    assert person.summary["time_on_screen_s"] == pytest.approx(70 / 25)
    # Nothing is added across the gap.
    assert person.summary["body_path_px"] == pytest.approx(40 * (29 + 39) / 25, rel=1e-3)
    assert person.written.sum() == 70


def test_a_pause_of_the_clock_is_no_time_on_screen(tmp_path):
    times_s = TIMES_S + np.where(np.arange(100) >= 50, 600, 0)
    person = measure_one(tmp_path, make_walker(walk()), times_s=times_s)
    assert person.summary["time_on_screen_s"] == pytest.approx(4)
    assert person.summary["body_path_px"] == pytest.approx(98 * 40 / 25, abs=0.05)


def test_a_floor_beside_the_image_is_refused(tmp_path):
    floor = MeasuredFloor.read("900,100,1000,100,1000,200,900,200@1x1")
    with pytest.raises(PoseTrackError, match="outside the image of 640 x 480 px"):
        measure_one(tmp_path, make_walker(walk()), MeasureSettings(floor=floor))
    partly = MeasuredFloor.read("-500,400,1000,400,1000,900,-500,900@1x1")
    measure_one(tmp_path, make_walker(walk()), MeasureSettings(floor=partly))


def test_people_without_legs_have_no_height(tmp_path):
    scores = np.full((100, 17), 0.9)
    scores[:, 11:] = 0.0
    path = write_poses(tmp_path / "poses.jsonl", {3: make_walker(walk())}, TIMES_S, scores={3: scores})
    (person,) = measure(path, MeasureSettings(height_m=1.8))
    assert "never seen from shoulders to ankles" in person.warnings[0]
    assert np.isnan(person["body_speed_m_per_s"]).all()
    assert person.body_point == "mid_shoulder"
    assert np.isfinite(person["left_elbow_flexion_deg"]).all()
    with pytest.raises(PoseTrackError, match="--height: id 3 is never seen from shoulders to ankles"):
        measure(path, MeasureSettings(heights_m={3: 1.8}))
    scores[:] = 0.1
    (person,) = measure(
        write_poses(tmp_path / "low.jsonl", {3: make_walker(walk())}, TIMES_S, scores={3: scores}),
        MeasureSettings(height_m=1.8),
    )
    assert person.warnings == ("no keypoint has a score of 0.3 or more; nothing is measured",)


def test_groups_of_people_give_what_all_at_once_do(tmp_path, monkeypatch):
    xy = make_walker(walk())
    path = write_poses(tmp_path / "poses.jsonl", {i: xy + i for i in (9, 2, 5)}, TIMES_S)
    together = measure(path)
    monkeypatch.setattr(tracks, "MOST_HELD", 200)
    monkeypatch.setattr(importlib.import_module("posetrack.measuring.measure"), "MOST_SIGHTINGS", 150)
    apart = measure(path)
    assert [person.track_id for person in apart] == [2, 5, 9]
    for one, other in zip(together, apart, strict=True):
        assert one.summary == other.summary


def test_feet_on_the_floor_are_where_they_were_put(tmp_path):
    # From metres on the floor to pixels, by hand: a camera that looks down at it.
    to_image = np.array([[60.0, 25.0, 100.0], [0.0, 60.0, 200.0], [0.0, 0.08, 1.0]])

    def project(places):
        mapped = np.concatenate([places, np.ones((len(places), 1))], axis=1) @ to_image.T
        return mapped[:, :2] / mapped[:, 2:]

    corners = project(np.array([[0, 0], [4, 0], [4, 6], [0, 6.0]]))
    floor = MeasuredFloor(tuple(map(tuple, corners.tolist())), 4, 6)
    left = np.stack([0.5 + 0.5 * TIMES_S, 1 + 0.7 * TIMES_S], axis=1)
    right = left + np.array([0.3, 0.0])
    np.testing.assert_allclose(floor.to_metres(project(left)), left, atol=1e-9)
    xy = make_walker(walk())
    xy[:, 15], xy[:, 16] = project(left), project(right)
    person = measure_one(tmp_path, xy, MeasureSettings(cutoff_hz=None, floor=floor))
    for axis, column in enumerate("xy"):
        np.testing.assert_allclose(person[f"left_foot_floor_{column}_m"], left[:, axis], atol=2e-3)
        np.testing.assert_allclose(person[f"floor_{column}_m"], (left + right)[:, axis] / 2, atol=2e-3)
    assert np.median(person["floor_speed_m_per_s"]) == pytest.approx(np.hypot(0.5, 0.7), abs=0.02)
    assert person.summary["floor_path_m"] == pytest.approx(3.96 * np.hypot(0.5, 0.7), rel=0.02)


def test_steps_do_not_count_as_ways_of_the_body(tmp_path):
    floor = MeasuredFloor(((100.0, 200.0), (500.0, 200.0), (500.0, 400.0), (100.0, 400.0)), 4, 2)
    times_s = np.arange(200) / 25
    xy = make_walker(np.stack([120 + 40 * times_s, np.full(200, 200.0)], axis=1))
    for ankle, phase in ((15, 0), (16, np.pi)):
        xy[:, ankle] = np.stack([120 + 40 * times_s, 300 - 15 * np.maximum(np.sin(6 * times_s + phase), 0)], 1)
    person = measure_one(tmp_path, xy, MeasureSettings(floor=floor), times_s=times_s)
    assert np.ptp(person["left_foot_floor_y_m"]) > 0.13
    assert np.ptp(person["floor_y_m"][25:-25]) < 0.05
    assert person.summary["floor_speed_mean_m_per_s"] == pytest.approx(0.4, rel=0.1)
    off = MeasuredFloor(((100.0, 300.0), (200.0, 300.0), (400.0, 330.0), (50.0, 330.0)), 4, 2)
    person = measure_one(tmp_path / "off", xy - 250, MeasureSettings(floor=off), times_s=times_s)
    assert "both ankles are never seen below the horizon of --floor" in person.warnings[0]


def test_people_who_were_interpolated_count_as_filled(tmp_path):
    path = write_poses(tmp_path / "poses.jsonl", {3: make_walker(walk())}, TIMES_S)
    head, *lines = path.read_text().splitlines()
    frames = [json.loads(line) for line in lines]
    for frame in frames[10:13]:
        frame["people"][0]["interpolated"] = True
    path.write_text("\n".join([head, *map(json.dumps, frames)]))
    (person,) = measure(path)
    assert np.flatnonzero(person.measures["left_knee_flexion_deg"].filled).tolist() == [10, 11, 12]
    assert person.summary["num_frames_interpolated"] == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"height_m": 0}, "height: 0 m; expected a number above 0"),
        ({"heights_m": {3: -1}}, "height of id 3: -1 m; expected a number above 0"),
        ({"height_m": 178}, "height: 178 m; expected metres up to 3, such as 1.78"),
        ({"px_per_m": 0}, "scale: 0 pixels a metre; expected a number above 0"),
        ({"px_per_m": float("nan")}, "scale: nan pixels a metre"),
        ({"cutoff_hz": 0}, "cut-off: 0 Hz; expected a number above 0"),
        ({"order": 3}, "order: 3; expected 2, 4, 6, 8"),
        ({"unit": "inch"}, "unit inch: known: px, heights, m"),
        ({"unit": "m"}, "unit m: nothing says what a metre is; give a height or a scale"),
        ({"facing": "lef"}, "facing lef: did you mean 'left'?"),
        ({"max_gap_s": -1}, "longest gap: -1 s; expected 0 to 60"),
        ({"min_keypoint_score": 2}, "keypoint score: 2; expected 0 to 1"),
        ({"px_per_m": 9, "height_m": 1.8}, "both say what a metre is"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(PoseTrackError) as raised:
        MeasureSettings(**settings)
    assert message in str(raised.value)


def test_files_with_nobody_to_measure(tmp_path):
    xy = make_walker(walk())
    path = write_poses(tmp_path / "poses.jsonl", {3: xy}, TIMES_S)
    with pytest.raises(PoseTrackError, match="--height: no id 4; ids there: 3"):
        measure(path, MeasureSettings(heights_m={4: 1.8}))
    nobody = write_poses(tmp_path / "nobody.jsonl", {3: xy * np.nan}, TIMES_S)
    with pytest.raises(ResultsError, match="nobody is in it, so there is nobody to measure"):
        measure(nobody)
    untracked = write_poses(tmp_path / "untracked.jsonl", {-1: xy}, TIMES_S)
    with pytest.raises(ResultsError, match="nobody has a track id; give them some with posetrack retrack"):
        measure(untracked)
    boxes = tmp_path / "boxes.jsonl"
    head, _, rest = path.read_text().partition("\n")
    lines = [json.loads(line) for line in rest.splitlines()]
    for line in lines:
        line["people"][0]["keypoints"] = []
    boxes.write_text("\n".join([head, *map(json.dumps, lines)]))
    with pytest.raises(ResultsError, match="has boxes without keypoints"):
        measure(boxes)
