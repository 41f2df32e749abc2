"""The written files: tables, OpenSim's files by their specification, plots and notes."""

import csv
import sys

import numpy as np
import pytest
from made_walker import make_walker, write_poses
from PIL import Image

from models.extras import MissingPackageError
from posetrack import MeasuredFloor, MeasureSettings, measure, write_measures
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.measuring import write
from posetrack.skeleton import COCO_17, MPII_16

TIMES_S = np.arange(50) / 25
METRES = MeasureSettings(height_m=1.8)


@pytest.fixture
def poses(tmp_path):
    """A walker, whose left knee is hidden for a while, and someone who is there for a moment."""
    hips = np.stack([150 + 40 * TIMES_S, np.full(50, 240.0)], axis=1)
    xy = make_walker(hips, knee=40 + 30 * np.sin(2 * np.pi * TIMES_S), hip=10.0)
    scores = np.full((50, 17), 0.9)
    scores[10:20, 13] = 0.1
    short = np.where((np.arange(50) < 5)[:, None, None], xy + 200, np.nan)
    return write_poses(tmp_path / "poses.jsonl", {3: xy, 8: short}, TIMES_S, scores={3: scores})


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_trc(path):
    """Read a .trc by OpenSim's description of the format, strictly."""
    lines = path.read_text().split("\n")
    assert lines[0].split("\t") == ["PathFileType", "4", "(X/Y/Z)", path.name]
    head = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert list(head) == [
        "DataRate",
        "CameraRate",
        "NumFrames",
        "NumMarkers",
        "Units",
        "OrigDataRate",
        "OrigDataStartFrame",
        "OrigNumFrames",
    ]
    T, M = int(head["NumFrames"]), int(head["NumMarkers"])
    assert head["Units"] == "m"
    names = lines[3].split("\t")
    assert names[:2] == ["Frame#", "Time"]
    assert set(names[3::3] + names[4::3]) == {""}
    markers = names[2::3]
    assert len(markers) == M
    assert len(names) == 2 + 3 * M
    assert lines[4].split("\t") == ["", "", *(f"{axis}{i}" for i in range(1, M + 1) for axis in "XYZ")]
    assert lines[5] == ""
    assert lines[6 + T :] == [""]
    rows = [line.split("\t") for line in lines[6 : 6 + T]]
    assert {len(row) for row in rows} == {2 + 3 * M}
    assert [int(row[0]) for row in rows] == list(range(1, T + 1))
    values = np.array([row[2:] for row in rows], np.float64)
    return float(head["DataRate"]), markers, np.array([float(row[1]) for row in rows]), values.reshape(T, M, 3)


def read_mot(path):
    """Read a .mot by OpenSim's description of the format, strictly."""
    head, _, table = path.read_text().partition("\nendheader\n")
    keys = dict(line.split("=") for line in head.split("\n") if "=" in line)
    assert keys["version"] == "1"
    assert keys["inDegrees"] == "yes"
    names, *rows = (line.split("\t") for line in table.splitlines())
    assert len(rows) == int(keys["nRows"])
    assert {len(row) for row in [names, *rows]} == {int(keys["nColumns"])}
    assert names[0] == "time"
    values = np.array(rows, np.float64)
    assert (np.diff(values[:, 0]) > 0).all()
    return names[1:], values[:, 0], values[:, 1:]


def test_everything_is_written_and_agrees_with_what_is_measured(poses, tmp_path):
    report = write_measures(poses, tmp_path / "out", METRES)
    names = {file.name for file in report.files}
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "summary.csv",
        "notes.txt",
        "wide.csv",
        "long.csv",
        "paths.png",
        *(f"person-{i}.{end}" for i in (3, 8) for end in ("trc", "mot")),
        *(f"{what}-{i}.png" for i in (3, 8) for what in ("angles", "figures")),
    }
    walker, _ = measure(poses, METRES)
    wide = [row for row in read_csv(tmp_path / "out" / "wide.csv") if row["track_id"] == "3"]
    assert [float(row["time_s"]) for row in wide] == TIMES_S.tolist()
    for column in walker.measures:
        cells = [float(row[column] or "nan") for row in wide]
        np.testing.assert_allclose(cells, walker[column], atol=0.06)
    assert [row["left_knee_flexion_deg"] for row in wide[10:20]] == [""] * 10
    assert wide[0]["facing"] == "right"
    long = read_csv(tmp_path / "out" / "long.csv")
    knees = [row for row in long if (row["track_id"], row["measure"]) == ("3", "left_knee_flexion")]
    assert [int(row["frame"]) for row in knees] == [*range(10), *range(20, 50)]
    assert {(row["kind"], row["unit"]) for row in knees} == {("angle", "deg")}
    assert {row["unit"] for row in long} == {"deg", "deg/s", "m", "m/s", "s"}
    first, second = read_csv(tmp_path / "out" / "summary.csv")
    assert float(first["time_on_screen_s"]) == pytest.approx(2)
    assert float(first["body_path_m"]) == pytest.approx(walker.summary["body_path_m"], abs=1e-3)
    assert (first["cutoff_hz"], first["filter_order"], first["max_gap_s"]) == ("6.0", "4", "0.2")
    assert second["remarks"].startswith("nothing is filtered: seen for fewer than the 10 frames")


def test_markers_are_in_metres_and_upright(poses, tmp_path):
    write_measures(poses, tmp_path / "out", METRES, formats=["trc"])
    rate, markers, times_s, values = read_trc(tmp_path / "out" / "person-3.trc")
    walker, _ = measure(poses, METRES)
    assert (rate, tuple(markers)) == (25, COCO_17.names)
    np.testing.assert_allclose(times_s, TIMES_S, atol=1e-6)
    expected = (walker.keypoints_xy * [1, -1] + [0, 480]) * walker.unit_per_px
    np.testing.assert_allclose(values[:, :, :2], expected, atol=2e-6)
    assert np.isnan(values[10:20, 13]).all()
    assert np.nanmax(np.abs(values[:, :, 2])) == 0
    assert values[0, markers.index("nose"), 1] > values[0, markers.index("left_ankle"), 1]


def test_motions_have_the_names_of_opensims_coordinates(poses, tmp_path):
    write_measures(poses, tmp_path / "out", formats=["mot"])
    names, times_s, values = read_mot(tmp_path / "out" / "person-3.mot")
    walker, _ = measure(poses)
    np.testing.assert_allclose(times_s, TIMES_S, atol=1e-6)
    for name, column in (
        ("knee_angle_l", "left_knee_flexion_deg"),
        ("hip_flexion_r", "right_hip_flexion_deg"),
        ("arm_flex_r", "right_shoulder_flexion_deg"),
        ("elbow_flex_l", "left_elbow_flexion_deg"),
        ("trunk_inclination", "trunk_inclination_deg"),
    ):
        np.testing.assert_allclose(values[:, names.index(name)], walker[column], atol=1e-5)


def test_rows_of_irregular_times_are_brought_to_regular_ones(tmp_path):
    times_s = np.cumsum(np.random.default_rng(0).choice([0.02, 0.04, 0.05], 80))
    hips = np.stack([100 + 30 * times_s, np.full(80, 240.0)], axis=1)
    knee = 40 + 20 * np.sin(2 * np.pi * 0.5 * times_s)
    path = write_poses(tmp_path / "poses.jsonl", {3: make_walker(hips, knee=knee)}, times_s)
    write_measures(path, tmp_path / "out", METRES, formats=["trc", "mot"])
    rate, _, rows_s, _ = read_trc(tmp_path / "out" / "person-3.trc")
    np.testing.assert_allclose(np.diff(rows_s), 1 / rate, atol=2e-6)
    names, rows_s, values = read_mot(tmp_path / "out" / "person-3.mot")
    np.testing.assert_allclose(np.diff(rows_s), 1 / rate, atol=2e-6)
    expected = 40 + 20 * np.sin(2 * np.pi * 0.5 * rows_s)
    np.testing.assert_allclose(values[:, names.index("knee_angle_l")], expected, atol=0.5)
    assert "Times: irregular, 0.02 to 0.05 s apart" in (tmp_path / "out" / "notes.txt").read_text()


def test_the_notes_name_what_was_done_and_what_it_means(poses, tmp_path):
    floor = MeasuredFloor.read("100,300,500,300,620,460,10,460@4x6")
    settings = MeasureSettings(heights_m={3: 1.8}, floor=floor, cutoff_hz=4, order=2, max_gap_s=0.1)
    write_measures(poses, tmp_path / "out", settings, formats=["plots"])
    notes = (tmp_path / "out" / "notes.txt").read_text()
    for text in (
        "gaps up to 0.1 s filled on a straight line; Butterworth low-pass, 4 Hz (-3 dB of both passes "
        "together), order 2, forwards and backwards (no lag)",
        "Times: regular, 25 frames a second",
        "metres, by the height of id 3 1.8 m; for the others the median",
        "Floor: 4 x 6 m between the points 100,300 500,300 620,460 10,460",
        "What 2D from one camera can and cannot mean:",
        "- left_knee_flexion: left_hip - left_knee - left_ankle; zero: proximal, joint and distal on a line",
        "- id 8: nothing is filtered",
    ):
        assert text in notes


def test_plots_are_images_and_few(poses, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "MOST_PLOTTED", 1)
    report = write_measures(poses, tmp_path / "out", formats=["plots"])
    images = sorted(file.name for file in report.files if file.suffix == ".png")
    assert images == ["angles-3.png", "figures-3.png", "paths.png"]
    for name in images:
        pixels = np.asarray(Image.open(tmp_path / "out" / name).convert("RGB"))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
    assert report.left_out == (
        "plots: of the 1 people who are seen longest; 1 others are left out, --only chooses people",
    )


def test_other_skeletons_are_drawn_and_written(tmp_path):
    hips = np.stack([150 + 40 * TIMES_S, np.full(50, 240.0)], axis=1)
    xy = make_walker(hips, knee=30.0, skeleton=MPII_16)
    path = write_poses(tmp_path / "poses.jsonl", {1: xy}, TIMES_S, skeleton=MPII_16)
    assert len(write_measures(path, tmp_path / "out", METRES).files) == 9


def test_without_metres_or_matplotlib_a_line_says_what_is_left_out(poses, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    report = write_measures(poses, tmp_path / "out")
    assert {file.suffix for file in report.files} == {".csv", ".txt", ".mot"}
    assert report.left_out == (
        "person-*.trc: left out, OpenSim's markers are in metres; give --height or --scale",
        "plots: left out; needs matplotlib, which is not installed; pip install 'posetrack[plots]'",
    )
    assert all(line in (tmp_path / "out" / "notes.txt").read_text() for line in report.left_out)
    with pytest.raises(MissingPackageError, match="plots: needs matplotlib"):
        write_measures(poses, tmp_path / "b", formats=["plots"])
    with pytest.raises(PoseTrackError, match="format trc: its markers are in metres"):
        write_measures(poses, tmp_path / "b", formats=["trc"])
    with pytest.raises(PoseTrackError, match="format wid: did you mean 'wide'"):
        write_measures(poses, tmp_path / "b", formats=["wid"])
    assert not (tmp_path / "b").exists()


def test_a_long_table_of_millions_of_rows_is_written_when_it_is_asked_for(poses, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "MOST_LONG_SIGHTINGS", 10)
    report = write_measures(poses, tmp_path / "a", formats=None)
    assert "long.csv" not in {file.name for file in report.files}
    assert any(line.startswith("long.csv: left out") for line in report.left_out)
    assert (tmp_path / "a" / "wide.csv").exists()
    write_measures(poses, tmp_path / "b", formats=["long"])
    assert (tmp_path / "b" / "long.csv").exists()


def test_a_folder_that_is_there_is_kept_unless_it_is_ours_to_replace(poses, tmp_path):
    out = tmp_path / "out"
    write_measures(poses, out, formats=["wide"])
    with pytest.raises(ResultsError, match="out: is there already; use --overwrite, or another --out"):
        write_measures(poses, out, formats=["long"])
    write_measures(poses, out, formats=["long"], overwrite=True)
    assert {path.name for path in out.iterdir()} == {"summary.csv", "notes.txt", "long.csv"}
    (out / "mine.txt").write_text("keep")
    with pytest.raises(ResultsError, match=r"holds 'mine\.txt'"):
        write_measures(poses, out, overwrite=True)
    assert (out / "mine.txt").read_text() == "keep"
    for taken in (poses, poses.parent, "/"):
        with pytest.raises(ResultsError, match="is there already"):
            write_measures(poses, taken)
    with pytest.raises(ResultsError, match="holds"):
        write_measures(poses, poses.parent, overwrite=True)
    assert poses.exists()


def test_nothing_is_left_where_a_line_of_the_poses_is_damaged(poses, tmp_path):
    lines = poses.read_text().splitlines()
    lines[20] = '{"frame": 19'
    poses.write_text("\n".join(lines))
    with pytest.raises(ResultsError, match="line 21"):
        write_measures(poses, tmp_path / "out")
    assert not (tmp_path / "out").exists()
