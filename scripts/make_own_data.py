"""Makes a small data set as an annotation tool exports it, with recipes to train on it and to run: an example.

    python scripts/make_own_data.py own

Twenty images of drawn figures, 16 to train on and 4 to evaluate on; docs/own_data.md goes on from there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.skeleton import COCO_17

NUM_IMAGES, NUM_TRAIN = 20, 16
SIZE_WH = (320, 240)

_FIGURE_XY = {
    "nose": (50, 14),
    "eye": (46, 11),
    "ear": (42, 14),
    "shoulder": (36, 32),
    "elbow": (28, 48),
    "wrist": (24, 64),
    "hip": (42, 62),
    "knee": (40, 82),
    "ankle": (40, 100),
}
"""A standing figure, its right half, in percent of its height; the left half mirrors it."""

_TRAIN = """# Fine-tuning of the pose network of recipe `default`. Paths are relative to --data.
[network]
name = "thunder-heatmaps"

[data]
format = "coco"
skeleton = "coco17"
train = "train.json"
train_images = "images"
dev = "val.json"
dev_images = "images"

[crop]
width_px = 192
height_px = 256
sigma_cells = 2.0
coding = "dark"

[augment]
rotation_deg = 25.0
scale_range = [0.75, 1.3]

[optimizer]
name = "adamw"
learning_rate = 1e-4
weight_decay = 0.01

[schedule]
name = "linear"
warmup_steps = 2

[loop]
epochs = 1
batch_size = 8
num_workers = 0
evaluate_every_epochs = 1
"""

_RUN = """# Recipe `default` with poses of the trained network.
[detector]
weights = "movenet-person"
longest_side_px = 512
score_threshold = 0.5
nms_iou = 0.5

[estimator]
weights = "trained/weights.safetensors"
"""


def main() -> None:
    """Read the command line and make the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    make_data(folder)
    print(f"{folder}: {NUM_IMAGES} images, train.json, val.json, train.toml, run.toml")


def make_data(folder: Path) -> None:
    """Make the images, the annotations and the recipes."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, people = [], []
    for number in range(1, NUM_IMAGES + 1):
        image, points_xy = draw_image(np.random.default_rng(number))
        name = f"{number:02}.jpg"
        cv2.imwrite(str(folder / "images" / name), image)
        images.append({"id": number, "file_name": name, "width": SIZE_WH[0], "height": SIZE_WH[1]})
        people += [_annotate(number, len(people) + i + 1, points) for i, points in enumerate(points_xy)]
    for part, chosen in (("train", images[:NUM_TRAIN]), ("val", images[NUM_TRAIN:])):
        ids = {image["id"] for image in chosen}
        content = {
            "images": chosen,
            "annotations": [person for person in people if person["image_id"] in ids],
            "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}],
        }
        (folder / f"{part}.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "train.toml").write_text(_TRAIN, encoding="utf-8")
    (folder / "run.toml").write_text(_RUN, encoding="utf-8")


def draw_image(
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.uint8], list[npt.NDArray[np.float64]]]:
    """Draw two figures.

    Args:
        rng: Where the numbers come from.

    Returns:
        The image, (H, W, 3) uint8; and the keypoints of each figure, (17, 2) pixels from the corner.
    """
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), rng.integers(120, 220, 3), np.uint8)
    figures = []
    for left_px in (20, 170):
        height_px = rng.uniform(150, 190)
        corner_xy = np.array([left_px + rng.uniform(-10, 10), rng.uniform(10, 30)])
        points = corner_xy + (_pose(rng) * height_px / 100)
        color = rng.integers(0, 110, 3).tolist()
        for a, b in COCO_17.edge_index:
            cv2.line(image, points[a].astype(int).tolist(), points[b].astype(int).tolist(), color, 9)
        cv2.circle(image, points[0].astype(int).tolist(), int(height_px * 0.09), (150, 180, 225), -1)
        figures.append(points)
    return image, figures


def _pose(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The keypoints of a figure, (17, 2), in percent of its height."""
    points = []
    for name in COCO_17.names:
        x, y = _FIGURE_XY[name.removeprefix("left_").removeprefix("right_")]
        points.append((100 - x if name.startswith("left_") else x, y))
    return np.array(points) + rng.normal(0, 2, (17, 2))


def _annotate(image_id: int, number: int, points_xy: npt.NDArray[np.float64]) -> dict[str, object]:
    """A person as COCO has it: keypoints are counted from the centre of the first pixel, v is 2 for visible."""
    left, top = points_xy.min(axis=0) - 8
    width, height = points_xy.max(axis=0) + 8 - (left, top)
    triples = np.hstack([points_xy - 0.5, np.full((17, 1), 2)])
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [round(float(value), 1) for value in (left, top, width, height)],
        "area": round(float(width * height), 1),
        "num_keypoints": 17,
        "keypoints": [round(float(value), 1) for value in triples.ravel()],
    }


if __name__ == "__main__":
    main()
