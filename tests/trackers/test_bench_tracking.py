"""`scripts/bench_tracking.py`: made scenes, and each part on a little."""

import importlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reference.evaluation_mot import write_lines

from posetrack.frame import Frame, Instances
from posetrack.skeleton import COCO_17
from trackers.flow import FLOWS
from trackers.flow_tracker import FlowTrackerConfig

ROOT = Path(__file__).parents[2]
STREET = ROOT / "docs" / "media" / "street.mp4"
SUPERVISION = """
class Detections:
    def __init__(self, xyxy, confidence):
        self.xyxy, self.confidence, self.tracker_id = xyxy, confidence, None
    def __len__(self):
        return len(self.xyxy)
"""
TRACKERS = """
import sys
import numpy as np
class SORTTracker:
    def __init__(self, frame_rate, **settings):
        assert frame_rate == 25 and "posetrack" not in sys.modules
        self.settings = settings
    def update(self, detections):
        # The first box of each frame is not confirmed; the others are numbered.
        detections.tracker_id = np.arange(len(detections)) - 1
        return detections
ByteTrackTracker = SORTTracker
"""


@pytest.fixture(scope="module")
def load():
    """Import a module of `scripts/`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield importlib.import_module


@pytest.fixture(scope="module")
def made(load):
    return load("made_scenes")


def find_frames(scene, person_id):
    return [i for i, frame in enumerate(scene["frames"]) for p in frame["people"] if p["id"] == person_id]


def test_a_seed_gives_the_same_scenes(made):
    scenes = made.make_scenes(3, 2)
    assert scenes == made.make_scenes(3, 2) == json.loads(json.dumps(scenes))
    assert scenes != made.make_scenes(4, 2)
    more = {scene["name"]: scene for scene in made.make_scenes(3, 3)}
    assert len(more) == 3 * len(made.KINDS)
    assert all(more[scene["name"]] == scene for scene in scenes)


def test_people_and_flow_of_made_scenes_are_consistent(made):
    for scene in made.make_scenes(0, 4):
        height = scene["size_wh"][1]
        for frame in scene["frames"]:
            assert len({person["id"] for person in frame["people"]}) == len(frame["people"])
            for person in frame["people"]:
                keypoints, box = np.array(person["keypoints"]), np.array(person["box"])
                assert keypoints.shape == (17, 3)
                assert (keypoints[:, :2] > box[:2]).all()
                assert (keypoints[:, :2] < box[2:]).all()
                assert 0 <= (box[1] + box[3]) / 2 <= height
        ids = {person["id"] for frame in scene["frames"] for person in frame["people"]}
        assert ids == set(range(1, len(ids) + 1))
        assert 2 <= len(ids) <= 4
        for person_id in ids:
            check_motion(scene, person_id)


def check_motion(scene, person_id):
    """A person moves as a patch does, or as the background."""
    frames = find_frames(scene, person_id)
    middles = [
        np.mean([point[0] for point in person["keypoints"][11:13]])
        for frame in scene["frames"]
        for person in frame["people"]
        if person["id"] == person_id
    ]
    speed = np.polyfit(frames, middles, 1)[0]
    flows = [patch["flow"][0] for patch in scene["frames"][0]["patches"]] + [
        scene["frames"][0]["background_flow"][0]
    ]
    assert min(abs(speed - flow) for flow in flows) < 0.2


@pytest.mark.parametrize("hidden", [0, 1, 6, 10])
def test_one_person_is_hidden_for_so_many_frames(made, hidden):
    for scene, person_id in (
        (made.make_crossing(np.random.default_rng(0), 4, hidden), 2),
        (made.make_crossing(np.random.default_rng(0), 3, hidden, stands=True), 2),
        (made.make_passage(np.random.default_rng(0), 5, hidden), 1),
        (made.make_passage(np.random.default_rng(0), 5, hidden), 2),
    ):
        frames = find_frames(scene, person_id)
        gaps = np.diff(frames)
        assert frames[0] == 0
        assert frames[-1] == len(scene["frames"]) - 1
        assert Counter(gaps[gaps > 1]) == ({hidden + 1: 1} if hidden else {})


def test_detections_have_noise_of_a_hundredth_of_the_height(made):
    person = made.Person(np.random.default_rng(0), 1, (100, 50), 0, 150, walks=False)
    keypoints = np.array([person.detect(i)["keypoints"] for i in range(200)])[..., :2]
    assert keypoints.std(axis=0).mean() == pytest.approx(1.5, rel=0.05)


def test_behind_the_cart_every_nth_frame_is_detected(made):
    scene = made.make_pan(np.random.default_rng(0), 12, 120, 3)
    cart = scene["frames"][0]["patches"][0]["box"]
    for i, frame in enumerate(scene["frames"]):
        for person in frame["people"]:
            middle = (person["box"][0] + person["box"][2]) / 2
            assert i % 3 == 0 or not cart[0] + 15 < middle < cart[2] - 15
    assert {len(frame["people"]) for frame in scene["frames"]} >= {2, 3}


def test_the_flow_of_a_scene_is_scaled_to_the_image(load, made):
    scene = made.make_crossing(np.random.default_rng(0), 4, 0)
    flow = load("scene_tracking").SceneFlow(scene)
    gray = np.zeros((180, 320), np.uint8)
    found = flow(gray, gray)
    assert found.shape == (180, 320, 2)
    assert found.dtype == np.float32
    assert sorted(np.unique(found[..., 0])) == [-2, 0, 2]
    x1, y1, x2, y2 = (round(value / 2) for value in scene["frames"][0]["patches"][1]["box"])
    assert (found[y1:y2, x1:x2, 0] == 2).all()
    assert not found[:y1].any()


def test_scenes_are_tracked_and_counted(load, made, tmp_path, capsys):
    scene = made.make_crossing(np.random.default_rng(0), 1, 0, stands=True)
    # The two change their truth in the middle: two changes of ids that a tracker cannot know of.
    swapped = json.loads(json.dumps(scene))
    for frame in swapped["frames"][15:]:
        for person in frame["people"]:
            person["id"] = 3 - person["id"]
    path = tmp_path / "scenes.json"
    path.write_text(json.dumps([{**scene, "name": "cross-stand-a"}, {**swapped, "name": "cross-stand-b"}]))
    load("bench_tracking").main(["scenes", "--scenes", str(path), "--config", "queue_frames=2"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][-3:] == ["default", "motion=flow", "queue_frames=2"]
    assert lines[1] == ["cross-stand-a", *"002", *"002", *"002"]
    assert lines[2][:5] == ["cross-stand-b", "2", "30", "2", "*"]
    assert lines[3] == ["cross-stand", *["2", "1", "of", "2"] * 3]
    assert lines[4] == ["all", *["2", "1", "of", "2"] * 3]


def test_the_flow_method_of_scenes_is_gone_afterwards(load, made):
    before = set(FLOWS)
    scene = made.make_crossing(np.random.default_rng(0), 1, 0)
    load("scene_tracking").track_scene({**scene, "frames": scene["frames"][:2]}, FlowTrackerConfig())
    assert set(FLOWS) == before


def test_refuses_unknown_settings(load):
    bench = load("bench_tracking")
    with pytest.raises(SystemExit, match=r"unknown key 'quue'; "):
        bench.main(["scenes", "--config", "quue=3"])
    with pytest.raises(SystemExit, match="queue_frames"):
        bench.main(["cost", "--config", "queue_frames=-3"])


def test_every_configuration_is_timed(load, capsys):
    load("bench_tracking").main(["cost", "--frames", "12", "--config", "match=hungarian"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["default", "motion=flow", "match=hungarian"]
    assert lines[0].endswith("1.00 times")


def test_clips_with_labels_and_other_trackers(load, tmp_path, capfd, monkeypatch):
    """Three frames of the bundled clip; the other library is a stand-in with the same names."""
    labels = [f"{frame},1,0,0,5,5" for frame in (1, 2, 3)]
    write_lines(tmp_path / "clips" / "street.gt.txt", labels)
    (tmp_path / "clips" / "street.mp4").symlink_to(STREET)
    write_lines(tmp_path / "peers" / "supervision" / "__init__.py", [SUPERVISION])
    write_lines(tmp_path / "peers" / "trackers" / "__init__.py", [TRACKERS])
    clips = load("clip_tracking")
    options = ["--clips", tmp_path / "clips", "--cache", tmp_path / "cache", "--peers", tmp_path / "peers"]
    command = ["clips", *map(str, options), "--recipe", "fast"]
    load("bench_tracking").main(command)
    rows = [line.rsplit(maxsplit=9) for line in capfd.readouterr().out.splitlines() if line]
    assert [row[0] for row in rows] == [
        "street", "fast", "fast, stitched", "sort on fast", "bytetrack on fast", "sort-0.5 on fast",
        "bytetrack-0.5 on fast",
    ]  # fmt: skip
    assert rows[1][1:] == rows[2][1:]
    assert [row[7] for row in rows[1:]] == ["1"] * 6
    assert [row[9] for row in rows[1:]] == ["3"] * 6
    (saved,) = (tmp_path / "cache" / "detections").iterdir()
    before = saved.stat().st_mtime_ns
    assert len(saved.read_text().splitlines()) == 4

    def refuse(*_, **__):
        raise AssertionError("detections were not taken from the cache")

    monkeypatch.setattr(clips, "make_detection", refuse)
    load("bench_tracking").main(command)
    assert saved.stat().st_mtime_ns == before


def test_other_trackers_get_nobody_twice(load, made):
    person = made.Person(np.random.default_rng(0), 1, (100, 50), 0, 150).detect(0)
    columns = {
        "boxes_xyxy": [person["box"]] * 3,
        "box_scores": [0.7, 0.9, 0.8],
        "keypoints_xy": [np.array(person["keypoints"])[:, :2] + shift for shift in (0, 1, 300)],
        "keypoint_scores": np.full((3, 17), 0.8),
    }
    image = np.zeros((9, 9, 3), np.uint8)
    frame = Frame(4, 0.2, image, Instances(**columns), COCO_17)
    config = FlowTrackerConfig(nms_iou=1)
    lines = load("clip_tracking").format_detections(frame, config)
    assert [line.split(",")[0:2] + line.split(",")[6:7] for line in lines] == [
        ["5", "-1", "0.7200"],
        ["5", "-1", "0.6400"],
    ]
    assert load("clip_tracking").format_detections(replace(frame, instances=Instances.empty(17)), config) == []


def test_labels_without_a_clip_are_refused(load, tmp_path):
    bench = load("bench_tracking")
    with pytest.raises(SystemExit, match="no labels in it"):
        bench.main(["clips", "--clips", str(tmp_path)])
    with pytest.raises(SystemExit, match="No such file"):
        bench.main(["scenes", "--scenes", str(tmp_path / "no.json")])
    write_lines(tmp_path / "a.gt.txt", ["1,1,0,0,5,5"])
    with pytest.raises(SystemExit, match="no video or folder 'a'"):
        bench.main(["clips", "--clips", str(tmp_path)])
