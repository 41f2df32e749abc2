"""What a training logs of its network is what `posetrack eval pictures` says of the weights that it wrote."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import models
from posetrack.build import build_networks
from posetrack.cli.main import app
from posetrack.compute import Compute
from posetrack.recipe import read_recipe
from posetrack.skeleton import COCO_17
from posetrack.video.source import open_video

CROSSING = Path(__file__).parents[3] / "docs" / "media" / "crossing.mp4"
WEIGHTS = Path(models.__file__).parent / "weights"
TRAINING = """
[network]
name = "{network}"
{start}
[data]
train = "people.json"
train_images = "."
dev = "people.json"
dev_images = "."

{tables}

[optimizer]
learning_rate = 0.0

[schedule]
name = "constant"

[loop]
epochs = 1
batch_size = 2
num_workers = 0
"""
TOP_DOWN = (
    "thunder-heatmaps",
    'weights = "thunder-heatmaps-256x192.safetensors"',
    """
[crop]
coding = "dark"
padding = 1.3

[evaluation]
flip_test = true
""",
    """
[detector]
weights = "movenet-multipose"

[estimator]
weights = "{weights}"
flip_test = true
""",
    ("--boxes", "annotated"),
)
BOTTOM_UP = (
    "swahr-movenet",
    'body = "movenet-multipose.safetensors"',
    """
[target]
size_px = 128

[evaluation]
shorter_side_px = 192
scales = [1.0, 0.5]
projected = true
min_peak = 0.2
score_threshold = 0.05
""",
    """
[detector]
weights = "{weights}"
shorter_side_px = 192
scales = [1.0, 0.5]
flip_test = true
projected = true
min_peak = 0.2
score_threshold = 0.05
""",
    ("--min-score", "0.05"),
)
DETECTION = (
    "movenet-person",
    'body = "movenet-person.safetensors"',
    """
[canvas]
width_px = 128
height_px = 128

[evaluation]
longest_side_px = 256
score_threshold = 0.1
nms_iou = 0.6
""",
    """
[detector]
weights = "{weights}"
longest_side_px = 256
score_threshold = 0.1
nms_iou = 0.6

[estimator]
weights = "thunder-heatmaps-256x192"
""",
    ("--min-score", "0.1"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two frames of people, annotated by networks and then moved a little; and weights to start from."""
    folder = tmp_path_factory.mktemp("data")
    for path in WEIGHTS.glob("*.safetensors"):
        (folder / path.name).symlink_to(path)
    with open_video(CROSSING) as video:
        frames = [frame.image for frame in video if frame.index in (10, 40)]
    compute = Compute(torch.device("cpu"), "torch", "f32")
    networks = build_networks(read_recipe("default"), compute, batch_frames=2)
    boxes = [people.boxes_xyxy for people in networks.detector(frames)]
    poses = [keypoints_xy for keypoints_xy, _ in networks.estimator(frames, boxes)]
    rng, images, annotations = np.random.default_rng(0), [], []
    for number, image in enumerate(frames):
        height, width = image.shape[:2]
        cv2.imwrite(str(folder / f"{number}.png"), image[..., ::-1])
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
        for box, points in zip(boxes[number], poses[number], strict=True):
            side = float(np.sqrt(np.prod(box[2:] - box[:2])))
            left, top, right, bottom = (box + rng.normal(0, 0.03 * side, 4)).tolist()
            moved = points + rng.normal(0, 0.05 * side, points.shape)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top) / 2,
                    "num_keypoints": 17,
                    "keypoints": np.column_stack([moved, np.full(17, 2)]).ravel().tolist(),
                }
            )
    assert len(annotations) >= 4
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "people.json").write_text(json.dumps(content))
    return folder


def run_cli(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("family", "kind"), [(TOP_DOWN, "keypoints"), (BOTTOM_UP, "keypoints"), (DETECTION, "bbox")]
)
def test_training_logs_the_numbers_of_eval_pictures(folder, tmp_path, family, kind):
    network, start, tables, tracking, options = family
    (tmp_path / "training.toml").write_text(TRAINING.format(network=network, start=start, tables=tables))
    out = tmp_path / "out"
    run_cli("train", tmp_path / "training.toml", "--data", folder, "--out", out, "--device", "cpu")
    with (out / "evaluation.csv").open(newline="") as file:
        (logged,) = csv.DictReader(file)
    (tmp_path / "tracking.toml").write_text(tracking.format(weights=out / "weights.safetensors"))
    given = ("--gt", folder / "people.json", "--images", folder, "--recipe", tmp_path / "tracking.toml")
    computed = ("--device", "cpu", "--engine", "torch", "--precision", "f32")
    # A recipe that tracks has poses; what is compared of a detector are its boxes.
    run_cli("eval", "pictures", *given, *computed, *options, "--out", tmp_path / "numbers.json")
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    wanted = {name: numbers[f"{kind}_{name}"] for name in logged if f"{kind}_{name}" in numbers}
    assert {"AP", "AP50", "AP75"} <= wanted.keys()
    assert 0 < wanted["AP"] < 1
    for name, value in wanted.items():
        assert float(logged[name] or "nan") == pytest.approx(
            float("nan") if value is None else value, abs=1e-6, nan_ok=True
        ), name
