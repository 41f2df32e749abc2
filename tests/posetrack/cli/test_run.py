"""The command line, end to end, on the bundled clip."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

import posetrack
from models.backbones.variants import ResNetFPNConfig
from models.data.run_lengths import decode_run_lengths
from models.rcnn.variants import NETWORKS
from posetrack.cli.doctor import _PACKAGES
from posetrack.cli.main import main
from posetrack.results.export import FORMATS

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
NUM_FRAMES = 115
LOADING = re.compile(r"posetrack: recipe [\w-]+: loading .+\n")
PART = ["--start", "3.2", "--end", "3.6"]
MARKED_ON_FRAME_95 = {
    "nose": (435, 42),
    "right_wrist": (360, 106),
    "left_wrist": (478, 143),
    "left_knee": (483, 164),
    "right_knee": (425, 192),
    "left_ankle": (457, 222),
    "right_ankle": (421, 262),
}


def run_cli(*arguments: object) -> int:
    """Run `posetrack ARGUMENTS` in this process; returns the exit code."""
    before = sys.argv
    sys.argv = ["posetrack", *map(str, arguments)]
    try:
        main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    finally:
        sys.argv = before
    return 0


def read_records(path: Path) -> list[dict]:
    header, *records = map(json.loads, path.read_text().splitlines())
    assert header["schema"] == "posetrack/1"
    return records


def count_images(path: Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default recipe over the whole clip, in every format."""
    out = tmp_path_factory.mktemp("whole")
    formats = [word for name in FORMATS for word in ("--format", name)]
    assert run_cli("run", CLIP, "--out", out, "--quiet", *formats) == 0
    return out


def test_there_is_a_record_for_every_frame_with_its_time(whole_run):
    records = read_records(whole_run / "poses.jsonl")
    assert [record["frame"] for record in records] == list(range(NUM_FRAMES))
    assert [record["time"] for record in records] == pytest.approx([i / 25 for i in range(NUM_FRAMES)])


def test_the_cyclist_keeps_one_id_and_nobody_crosses_a_cut(whole_run):
    records = read_records(whole_run / "poses.jsonl")
    cyclist = records[90:109]
    ids = [[person["track_id"] for person in record["people"]] for record in cyclist]
    assert all(len(found) >= 1 for found in ids)
    (steady, frames), *_ = Counter(i for found in ids for i in found).most_common(1)
    assert frames == len(cyclist)
    walker = {person["track_id"] for record in records[:30] for person in record["people"]}
    assert walker
    assert steady not in walker


def test_the_skeleton_sits_on_the_cyclist(whole_run):
    """Against marks made by hand."""
    person = max(read_records(whole_run / "poses.jsonl")[95]["people"], key=lambda p: p["score"])
    header = json.loads((whole_run / "poses.jsonl").read_text().splitlines()[0])
    at = {name: point[:2] for name, point in zip(header["keypoints"], person["keypoints"], strict=True)}
    for name, xy in MARKED_ON_FRAME_95.items():
        assert np.hypot(at[name][0] - xy[0], at[name][1] - xy[1]) < 14, (name, at[name], xy)


def test_the_overlay_has_every_frame_and_people_drawn_in(whole_run):
    assert count_images(whole_run / "overlay.mp4") == NUM_FRAMES
    with av.open(str(whole_run / "overlay.mp4")) as drawn, av.open(str(CLIP)) as plain:
        assert drawn.streams.video[0].average_rate == 25
        assert drawn.streams.video[0].codec_context.name == "h264"
        pairs = zip(drawn.decode(video=0), plain.decode(video=0), strict=True)
        change = np.array(
            [
                np.abs(a.to_ndarray(format="rgb24").astype(int) - b.to_ndarray(format="rgb24")).mean()
                for a, b in pairs
            ]
        )
    records = read_records(whole_run / "poses.jsonl")
    is_empty = np.array([not record["people"] for record in records])
    # Nobody is there from frame 21 on, as a person sees too; before, trails of the man who left fade.
    assert is_empty[21:25].all()
    assert np.mean(change[90:109]) > 2 * np.mean(change[21:25])


def test_every_format_is_written(whole_run):
    names = {path.name for path in whole_run.iterdir()}
    assert names == {
        "poses.jsonl",
        "overlay.mp4",
        "posetrack18",
        "posetrack17",
        "coco.json",
        "mot.txt",
        "poses.csv",
        "openpose",
    }
    assert len(list((whole_run / "openpose").iterdir())) == NUM_FRAMES


def test_tracking_saved_poses_again_changes_no_pose(whole_run, tmp_path, capsys):
    again = tmp_path / "again.jsonl"
    assert run_cli("retrack", whole_run / "poses.jsonl", "--out", again) == 0
    before, after = read_records(whole_run / "poses.jsonl"), read_records(again)
    assert len(after) == NUM_FRAMES
    for old, new in zip(before, after, strict=True):
        poses = [sorted(str(person["keypoints"]) for person in record["people"]) for record in (old, new)]
        assert poses[0] == poses[1]
    # The video is known from the header: flow is computed, cuts are seen, and ids part as they did.
    pairs = {
        (a["track_id"], b["track_id"])
        for old, new in zip(before, after, strict=True)
        for a in old["people"]
        for b in new["people"]
        if a["keypoints"] == b["keypoints"]
    }
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert "ids" in capsys.readouterr().out


def test_saved_poses_are_tracked_without_their_video(whole_run, tmp_path, capsys):
    copy = tmp_path / "poses.jsonl"
    lines = (whole_run / "poses.jsonl").read_text().splitlines()
    header = json.loads(lines[0]) | {"source": str(tmp_path / "gone.mp4")}
    copy.write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n")
    assert run_cli("retrack", copy) == 0
    assert "tracking without optical flow" in capsys.readouterr().err
    assert len(read_records(tmp_path / "poses.retracked.jsonl")) == NUM_FRAMES
    assert run_cli("retrack", copy) == 1
    assert "is there already; use --overwrite" in capsys.readouterr().err


def test_the_cyclist_behind_the_van_is_one_person_unless_tracks_stay_as_they_are(tmp_path, capsys):
    """One person leaves the first shot; the cyclist is hidden by a van for 0.8 s."""
    base = ["run", CLIP, "--recipe", "fast", "--out"]
    assert run_cli(*base, tmp_path / "joined") == 0
    assert "1 id joined with an earlier one" in capsys.readouterr().err
    assert run_cli(*base, tmp_path / "plain", "--no-stitch", "--no-video") == 0
    assert "joined" not in capsys.readouterr().err
    joined, plain = (read_records(tmp_path / name / "poses.jsonl") for name in ("joined", "plain"))
    ids = [
        {person["track_id"] for record in records for person in record["people"]} for records in (joined, plain)
    ]
    assert [len(each) for each in ids] == [2, 3]
    assert count_images(tmp_path / "joined" / "overlay.mp4") == NUM_FRAMES
    again = tmp_path / "again.jsonl"
    base = ["retrack", tmp_path / "plain" / "poses.jsonl", "--recipe", "fast", "--overwrite", "--out", again]
    for arguments, expected in (
        ([], "2 ids, 1 joined with earlier ones, 0 exchanged where people met, 0 people dropped"),
        (["--no-stitch"], "3 ids, 0 joined"),
    ):
        assert run_cli(*base, *arguments) == 0
        assert capsys.readouterr().out.startswith(f"{again}: recipe fast, {expected}")


def test_saved_poses_convert(whole_run, tmp_path, capsys):
    assert run_cli("convert", whole_run / "poses.jsonl", "--to", "csv", "--out", tmp_path) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "poses.csv")
    assert (tmp_path / "poses.csv").read_text() == (whole_run / "poses.csv").read_text()
    assert run_cli("convert", whole_run / "poses.jsonl", "--to", "cocoo") == 1
    assert "did you mean 'coco'?" in capsys.readouterr().err


def test_smoothing_adds_to_the_raw_keypoints(tmp_path):
    base = ["run", CLIP, "--recipe", "fast", "--no-video", "--quiet", *PART, "--out"]
    assert run_cli(*base, tmp_path / "raw") == 0
    assert run_cli(*base, tmp_path / "smooth", "--smooth") == 0
    raw, smooth = (read_records(tmp_path / name / "poses.jsonl") for name in ("raw", "smooth"))
    people = [
        pair for x, y in zip(raw, smooth, strict=True) for pair in zip(x["people"], y["people"], strict=True)
    ]
    assert len(people) >= 5
    assert all(a["keypoints"] == b["keypoints"] for a, b in people)
    assert "smoothed" not in raw[-1]["people"][0]
    last = people[-1][1]
    moved = np.subtract(last["smoothed"], np.array(last["keypoints"])[:, :2])
    assert 0 < np.abs(moved).mean() < 10


def test_every_engine_finds_the_same_people(tmp_path):
    found = {}
    for engine in ("torch", "openvino"):
        # Mixed precision is of one engine alone.
        computed = ("--engine", engine, "--precision", "f32")
        assert run_cli("run", CLIP, "--no-video", "--quiet", *PART, *computed, "--out", tmp_path / engine) == 0
        found[engine] = read_records(tmp_path / engine / "poses.jsonl")
    pairs = [
        pair
        for records in zip(found["torch"], found["openvino"], strict=True)
        for pair in zip(*(record["people"] for record in records), strict=True)
    ]
    assert len(pairs) >= 5
    for a, b in pairs:
        assert a["track_id"] == b["track_id"]
        assert np.abs(np.subtract(a["keypoints"], b["keypoints"])).max() < 0.1


def test_a_part_of_the_clip_keeps_its_place_in_the_source(tmp_path):
    out = tmp_path / "out"
    assert run_cli("run", CLIP, "--recipe", "fast", "--quiet", *PART, "--every", 2, "--out", out) == 0
    records = read_records(out / "poses.jsonl")
    assert [record["frame"] for record in records] == [80, 82, 84, 86, 88]
    assert records[0]["time"] == pytest.approx(3.2)
    assert count_images(out / "overlay.mp4") == 5


def list_scores(path: Path) -> list[float]:
    """The scores of all keypoints in a PoseTrack18 file that are there."""
    annotations = json.loads(path.read_text())["annotations"]
    return [
        score
        for each in annotations
        for score, flag in zip(each["scores"], each["keypoints"][2::3], strict=True)
        if flag
    ]


def test_keypoints_of_low_scores_are_left_out_of_the_formats_alone(tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[detector]\nweights = "movenet-multipose"\n[export]\nmin_keypoint_score = 0.8\n')
    options = ["--quiet", "--no-video", "--format", "posetrack18", *PART, "--every", 3]
    for name, more in (
        ("by_recipe", ()),
        ("by_option", ("--min-keypoint-score", 0.7)),
        ("all", ("--min-keypoint-score", 0)),
    ):
        assert run_cli("run", CLIP, "--recipe", recipe, *options, "--out", tmp_path / name, *more) == 0
    scores = {
        name: list_scores(tmp_path / name / "posetrack18" / "street.json")
        for name in ("by_recipe", "by_option", "all")
    }
    assert min(scores["by_recipe"]) >= 0.8
    assert 0.7 <= min(scores["by_option"]) < 0.8
    assert min(scores["all"]) < 0.7
    poses = [read_records(tmp_path / name / "poses.jsonl") for name in scores]
    assert poses[0] == poses[1] == poses[2]


def write_images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i + 8}.png"), np.full((48, 64, 3), 20 * i, np.uint8))


def test_folders_and_shell_globs_and_several_sources_in_one_call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "a" / "walk", 3)
    write_images(tmp_path / "b" / "walk", 2)
    images = sorted((tmp_path / "b" / "walk").iterdir())
    assert run_cli("run", "a/walk", "missing.mp4", *images, "--recipe", "fast") == 1
    out = tmp_path / "posetrack-out"
    assert len(read_records(out / "walk" / "poses.jsonl")) == 3
    assert len(read_records(out / "walk-2" / "poses.jsonl")) == 2
    assert count_images(out / "walk" / "overlay.mp4") == 3
    printed = capsys.readouterr().err
    assert "missing.mp4: no such file or folder; check the path" in printed
    assert "3 frames, 0.0 people a frame, 0 ids" in printed.replace("\n", " ")


def test_results_that_are_there_are_kept_unless_told_otherwise(tmp_path, capsys):
    write_images(tmp_path / "walk", 2)
    base = ["run", tmp_path / "walk", "--out", tmp_path / "out", "--recipe", "fast"]
    assert run_cli(*base, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    before = (tmp_path / "out" / "poses.jsonl").read_bytes()
    assert run_cli(*base) == 1
    printed = capsys.readouterr().err
    assert "poses.jsonl: is there already; use --overwrite, or another --out" in printed
    assert "posetrack: recipe fast: loading movenet-multipose\n" in printed
    assert (tmp_path / "out" / "poses.jsonl").read_bytes() == before
    assert run_cli(*base, "--quiet", "--overwrite", "--no-video") == 0
    assert not (tmp_path / "out" / "overlay.mp4").exists(), "no overlay of another run is left"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "fasst"], "fasst: no such recipe; did you mean 'fast'?"),
        (["--weights", "w.safetensors"], "neither a file nor weights that PoseTrack knows"),
        (["--device", "tpu"], "--device tpu: no such device"),
        (["--engine", "openvin"], "engine openvin: unknown; did you mean 'openvino'?"),
        (["--precision", "int8"], "precision int8: unknown"),
        (["--format", "cvs"], "unknown format 'cvs'; did you mean 'csv'?"),
        (["--start", "99"], "street.mp4: "),
        (["--start", "2", "--end", "1"], "end 1 s is not after start 2 s"),
        (["--image-fps", "0"], "--image-fps 0: expected frames a second"),
        (["--out", str(CLIP)], "street.mp4: is a file, and the results need a folder; use another --out"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_cli("run", CLIP, "--recipe", "fast", *arguments) == 1
    error = LOADING.sub("", capsys.readouterr().err)
    assert message in error
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_an_unknown_option_is_exit_code_2(capsys):
    assert run_cli("run", CLIP, "--nonsense") == 2
    assert "No such option" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_being_stopped_leaves_a_playable_video_and_a_whole_jsonl(how, tmp_path):
    code = "from posetrack.cli.entry import main; main()"
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, "run", str(CLIP), "--out", str(out), "--format", "csv"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"})
    poses = out / "poses.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (poses.exists() and poses.read_bytes().count(b"\n") > 12):
        time.sleep(0.05)
    process.send_signal(how)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert error.endswith("posetrack: interrupted\n")
    records = read_records(poses)
    assert 12 <= len(records) < NUM_FRAMES
    assert [record["frame"] for record in records] == list(range(len(records)))
    assert abs(count_images(out / "overlay.mp4") - len(records)) <= 1
    assert (out / "poses.csv").exists()
    assert {path.name for path in out.iterdir()} == {"poses.jsonl", "overlay.mp4", "poses.csv"}


def test_a_run_that_was_killed_goes_on(whole_run, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    lines = (whole_run / "poses.jsonl").read_bytes().splitlines(keepends=True)
    # 100 frames, in the middle of the cyclist's ride, and half of the next.
    (out / "poses.jsonl").write_bytes(b"".join(lines[:101]) + lines[101][:40])
    assert run_cli("run", CLIP, "--out", out, "--resume", "--format", "csv") == 0
    assert (out / "poses.jsonl").read_bytes().splitlines(keepends=True)[:101] == lines[:101]
    before, after = read_records(whole_run / "poses.jsonl"), read_records(out / "poses.jsonl")
    assert [record["frame"] for record in after] == list(range(NUM_FRAMES))
    for old, new in zip(before[100:], after[100:], strict=True):
        assert [person["track_id"] for person in new["people"]] == [p["track_id"] for p in old["people"]]
        for a, b in zip(old["people"], new["people"], strict=True):
            np.testing.assert_allclose(a["box"], b["box"], atol=1)
    assert count_images(out / "overlay.mp4") == NUM_FRAMES
    assert (out / "poses.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--recipe", "fast"],
            "recipe: default, but this run has fast; resume with the same, or use --overwrite",
        ),
        (["--start", "1"], "--start: 0, but this run has 1; resume with the same"),
        (["--overwrite"], "--resume: keeps what --overwrite would replace"),
    ],
)
def test_another_run_is_not_gone_on_with(arguments, message, whole_run, tmp_path, capsys):
    lines = (whole_run / "poses.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "poses.jsonl").write_bytes(b"".join(lines[:11]))
    assert run_cli("run", CLIP, "--out", tmp_path, "--resume", "--no-video", *arguments) == 1
    error = LOADING.sub("", capsys.readouterr().err)
    assert message in error
    assert error.count("\n") == 1
    assert (tmp_path / "poses.jsonl").read_bytes() == b"".join(lines[:11])


def test_being_stopped_while_still_loading_is_one_line():
    code = (
        "import os, signal, threading; from posetrack.cli.entry import main; "
        "threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start(); main()"
    )
    command = [sys.executable, "-c", code, "run", str(CLIP)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stderr.endswith("posetrack: interrupted\n")
    assert "Traceback" not in done.stderr


def test_a_video_of_another_size_is_not_taken_for_the_poses_own(whole_run, tmp_path, capsys):
    write_images(tmp_path / "walk", 2)
    again = tmp_path / "again.jsonl"
    video = ["--video", tmp_path / "walk"]
    assert run_cli("retrack", whole_run / "poses.jsonl", "--out", again, *video) == 1
    assert "64 x 48, but the poses are from 640 x 272" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "walk"], "nothing is left of what failed"


def test_version_recipes_and_doctor(tmp_path, monkeypatch, capsys):
    # Nothing is fetched, so that recipes with published weights cannot run.
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path))
    assert run_cli("--version") == 0
    assert capsys.readouterr().out == f"posetrack {posetrack.__version__}\n"
    assert run_cli("recipes") == 0
    printed = capsys.readouterr().out
    assert {"default", "fast"} <= set(printed.split())
    assert "hrnet-w32-256x192, Apache-2.0; posetrack weights fetch hrnet-w32-256x192" in printed
    assert "swahr-w48 at 640 px on the shorter side" in printed
    dense = "densepose-r50-dl-wc1, CC-BY-SA-3.0; posetrack weights fetch densepose-r50-dl-wc1"
    assert printed.count(f"  weights   {dense}\n") == 2
    assert "  poses     none; people are tracked by their boxes\n  dense     the same network\n" in printed
    assert "  poses     thunder-heatmaps\n  dense     densepose-r50-dl-wc1\n" in printed
    assert run_cli("doctor") == 0
    printed = capsys.readouterr().out
    assert "movenet-multipose" in printed
    assert re.search("openvino, (f32|mixed) of f32", printed)
    assert "missing" not in printed
    lines = {line.split()[-4]: line for line in printed.splitlines() if line.endswith("can run here")}
    assert set(lines) == {"accurate", "default", "dense", "fast", "hrnet-w18"}
    assert re.search("not yet +recipe hrnet-w32 .*posetrack weights fetch hrnet-w32-256x192", printed)
    assert re.search("not yet +recipe multitask .*--weights", printed)


def test_masks_reach_the_poses_and_other_formats(tmp_path, monkeypatch):
    def set_weights(network, weights):
        # So that random weights find people.
        torch.manual_seed(0)
        torch.nn.init.normal_(network.roi_heads.box_predictor.cls_score.weight, std=0.5)

    thin = {"backbone": ResNetFPNConfig("resnet18", "multi", channels=16), "box_width": 32}
    thin |= {"keypoint_layers": (8,), "mask_layers": (8,)}
    thin |= {"proposals_per_level": (50, 50), "proposals": (50, 50)}
    monkeypatch.setitem(NETWORKS, "multitask-rb-h", replace(NETWORKS["multitask-rb-h"], **thin))
    monkeypatch.setattr("posetrack.build.load_weights", set_weights)
    monkeypatch.setattr("posetrack.build.find_sha256", str)
    recipe = tmp_path / "masks.toml"
    recipe.write_text(
        '[detector]\nnetwork = "multitask-rb-h"\nweights = "any"\nlongest_side_px = 160\n'
        "score_threshold = 0.05\n[tracker]\nnew_track_min_score = 0.0\n"
    )
    out = tmp_path / "out"
    torch.manual_seed(1)
    assert (
        run_cli("run", CLIP, *PART, "--every", "5", "--recipe", recipe, "--out", out, "--format", "coco") == 0
    )
    people = [person for record in read_records(out / "poses.jsonl") for person in record["people"]]
    assert len(people) > 0
    results = json.loads((out / "coco.json").read_text())
    assert len(results["annotations"]) == len(people)
    for person, result in zip(people, results["annotations"], strict=True):
        mask = decode_run_lengths(person["mask"])
        assert mask.shape == (272, 640)
        assert result["segmentation"] == person["mask"]
        # A mask lies in its box.
        rows, columns = np.nonzero(mask)
        x0, y0, x1, y1 = person["box"]
        if len(rows):
            assert x0 - 2 <= columns.min() <= columns.max() <= x1 + 2
            assert y0 - 2 <= rows.min() <= rows.max() <= y1 + 2
    assert max(decode_run_lengths(person["mask"]).sum() for person in people) > 100


def test_doctor_looks_for_every_dependency():
    project = tomllib.loads((CLIP.parents[2] / "pyproject.toml").read_text())["project"]
    assert list(_PACKAGES) == [re.split("[>=]", dependency)[0] for dependency in project["dependencies"]]


def test_doctor_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr("posetrack.cli.doctor._PACKAGES", ("torch", "no-such-package"))
    assert run_cli("doctor") == 1
    assert "pip install no-such-package" in capsys.readouterr().out


def test_the_same_from_python():
    frames = list(posetrack.track(CLIP, recipe="fast", start_s=3.2, end_s=3.6))
    assert [frame.index for frame in frames] == list(range(80, 90))
    assert all(frame.instances.track_ids is not None for frame in frames)
    assert sum(len(frame.instances) for frame in frames) >= 5
    people = posetrack.track(CLIP, recipe="fast")
    next(people)
    people.close()


def test_a_source_is_never_written_over(tmp_path, capsys):
    source = tmp_path / "overlay.mp4"
    source.write_bytes(CLIP.read_bytes())
    before = source.read_bytes()
    assert run_cli("run", source, "--recipe", "fast", "--out", tmp_path, "--overwrite", *PART) == 1
    assert source.read_bytes() == before
    assert f"posetrack: {source}: is the input itself; use another --out\n" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["overlay.mp4"]


def test_strict_tells_of_missing_images_by_the_exit_status(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "cut.mkv"
    with av.open(str(path), "w") as video:
        stream = video.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for seed in range(20):
            image = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), np.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(image).reformat(format="yuv420p")))
        video.mux(stream.encode(None))
    run = ["run", path, "--recipe", "fast", "--no-video", "--overwrite", "--strict"]
    assert run_cli(*run, "--out", tmp_path / "whole") == 0
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    capfd.readouterr()
    out = tmp_path / "out"
    assert run_cli(*run, "--out", out) == 1
    num_missing = 20 - len(read_records(out / "poses.jsonl"))
    assert 10 < num_missing < 20
    words = rf"0\.\d s missing at 0\.\d s \({num_missing} frames\)"
    lines = capfd.readouterr().err.splitlines()
    assert sum(bool(re.search(words, line)) for line in lines) == 2  # the summary, the error
    assert re.fullmatch(f"posetrack: cut: {words} \\(--strict\\)", lines[-1])
    assert run_cli(*run[:-1], "--out", out) == 0
