"""PoseTrack's own keypoints end to end: a network learns them, tracks a data set, and is evaluated."""

import json
import sys
from importlib.resources import files

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from posetrack.cli.main import main
from posetrack.recipe import complete_settings, read_recipe
from posetrack.results.jsonl import read_jsonl
from posetrack.skeleton import POSETRACK_15
from posetrack.training import top_down

RECIPE = """
[network]
name = "hrnet-w32"

[data]
format = "posetrack"
skeleton = "posetrack15"
boxes = "keypoints"
train = "train"
train_images = "."
dev = "val"
dev_images = "."

[crop]
width_px = 64
height_px = 64
sigma_cells = 1.5
padding = 1.15

[augment]
rotation_deg = 5.0
scale_range = [0.95, 1.05]
flip_fraction = 0.0
half_body_fraction = 0.0

[optimizer]
learning_rate = 5e-3

[schedule]
name = "constant"

[loop]
epochs = 20
batch_size = 8
num_workers = 0
evaluate_every_epochs = 20
"""
PLACES = {
    "right_ankle": (42, 92), "right_knee": (43, 75), "right_hip": (44, 58),
    "left_hip": (56, 58), "left_knee": (57, 75), "left_ankle": (58, 92),
    "right_wrist": (30, 58), "right_elbow": (34, 45), "right_shoulder": (40, 32),
    "left_shoulder": (60, 32), "left_elbow": (66, 45), "left_wrist": (70, 58),
    "neck": (50, 28), "nose": (50, 20), "head_top": (50, 10),
}  # fmt: skip
ORDER = [
    "nose", "head_bottom", "head_top", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
]  # fmt: skip


def run_cli(*arguments: object) -> int:
    """Run `posetrack ARGUMENTS` in this process; returns the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["posetrack", *map(str, arguments)])
        try:
            main()
        except SystemExit as done:
            return done.code if isinstance(done.code, int) else int(done.code is not None)
    return 0


def make_stand_in(num_keypoints):
    """A network that learns in seconds, with a heatmap cell for each 4 px as HRNet."""
    return nn.Sequential(
        nn.AvgPool2d(2),
        nn.Conv2d(3, 24, 5, stride=2, padding=2),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.Conv2d(24, 32, 7, padding=3),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, num_keypoints, 7, padding=3),
    )


@pytest.fixture
def stand_in(monkeypatch):
    def make(config, num_keypoints, branch=0):
        return make_stand_in(num_keypoints)

    monkeypatch.setattr(top_down, "make_network", make)
    monkeypatch.setattr("models.hrnet.network.make_pose_network", make)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def write_sequence(folder, split, name, num_frames, seed):
    """Two people who walk towards each other, as a PoseTrack18 file and its images."""
    rng = np.random.default_rng(seed)
    bodies = [
        np.array([PLACES[name] for name in POSETRACK_15.names]) + rng.integers(-4, 5, (15, 2)) for _ in "ab"
    ]
    images, people = [], []
    for frame in range(num_frames):
        canvas = np.full((110, 260, 3), 30, np.uint8)
        number = 10_000 * seed + frame
        for track, (body, x) in enumerate(zip(bodies, (4 * frame, 150 - 4 * frame), strict=True)):
            points = body + np.array([x, 5])
            for a, b in POSETRACK_15.edge_index:
                cv2.line(canvas, points[a].tolist(), points[b].tolist(), (200, 200, 200), 2)
            for i, point in enumerate(points.tolist()):
                cv2.circle(canvas, point, 3, (37 * i % 256, 91 * i % 256, 255 - 15 * i), -1)
            place = {name: (*point, 1) for name, point in zip(POSETRACK_15.names, points.tolist(), strict=True)}
            place["head_bottom"] = place["neck"]
            people.append(
                {
                    "id": 10 * number + track,
                    "image_id": number,
                    "track_id": track,
                    "category_id": 1,
                    "bbox_head": [x + 40, 15, 20, 20],
                    "keypoints": [number for key in ORDER for number in place.get(key, (0, 0, 0))],
                }
            )
        file_name = f"images/{split}/{name}/{frame:06d}.png"
        path = folder / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), canvas)
        images.append({"id": number, "frame_id": number, "file_name": file_name, "is_labeled": True})
    (folder / split).mkdir(exist_ok=True)
    categories = [{"id": 1, "name": "person", "keypoints": ORDER}]
    content = {"images": images, "annotations": people, "categories": categories}
    (folder / split / f"{name}.json").write_text(json.dumps(content))


def test_learn_track_and_evaluate_posetracks_own_keypoints(stand_in, tmp_path, capsys):
    for seed in range(4):
        write_sequence(tmp_path, "train", f"00000{seed}_mpii", 4, seed)
    write_sequence(tmp_path, "val", "000009_mpii", 6, 9)
    (tmp_path / "train.toml").write_text(RECIPE)
    out = tmp_path / "trained"
    assert run_cli("train", tmp_path / "train.toml", "--data", tmp_path, "--out", out, "--device", "cpu") == 0
    weights = out / "weights.safetensors"
    # The recipe that ships, but for the mirror images: left and right have colours of their own here.
    text = (files("posetrack") / "recipes" / "posetrack15.toml").read_text()
    (tmp_path / "run.toml").write_text(text.replace("flip_test = true", "flip_test = false"))
    tracking = ("-r", tmp_path / "run.toml", "-w", weights, "--engine", "torch")
    data = (tmp_path / "val", "--images", tmp_path, "--boxes", tmp_path / "val", "--min-keypoint-score", 0)
    assert run_cli("track-dataset", *data, *tracking, "-o", tmp_path / "val_out") == 0
    header, records = read_jsonl(tmp_path / "val_out" / "000009_mpii" / "poses.jsonl")
    assert header.skeleton == POSETRACK_15
    assert [sorted(record.instances.track_ids.tolist()) for record in records] == [[1, 2]] * 6
    metrics = json.loads((tmp_path / "val_out" / "metrics.json").read_text())
    total = {name: metrics[name][-1] for name in ("ap", "mota", "mot_recall")}
    assert total["ap"] > 60, total
    assert total["mota"] > 30, total
    # Neck and the top of the head are the network's own, not made of others.
    assert min(metrics["ap"][metrics["names"].index(name)] for name in ("neck", "head_top")) > 30
    folders = ("--gt", tmp_path / "val", "--pred", tmp_path / "val_out")
    assert run_cli("eval", "posetrack", *folders, "--sweep") == 0
    assert "best MOTA" in capsys.readouterr().out


def test_the_recipe_that_ships_takes_published_weights_of_these_keypoints():
    recipe = read_recipe("posetrack15")
    settings = complete_settings(recipe, "estimator")
    assert (settings.network, settings.skeleton) == ("hrnet-w32", "posetrack15")
    assert (settings.width_px, settings.height_px) == (192, 256)
