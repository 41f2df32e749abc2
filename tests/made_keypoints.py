"""A made data set of 20 keypoints that no public set has: figures with a hat, gloves and a tail."""

import json

import cv2
import numpy as np
from made_scripts import load_script

from posetrack.skeleton import COCO_17, Skeleton

NAMES = (
    "snout",
    *(f"{side}_{part}" for part in ("lamp", "horn") for side in ("left", "right")),
    *(
        f"{side}_{part}"
        for part in ("sleeve", "cuff", "glove", "pocket", "patch", "boot")
        for side in ("left", "right")
    ),
    "hat",
    "belt",
    "tail",
)
"""COCO's 17 places under other names, and three more in the middle."""

LIMBS = (
    *((NAMES[a], NAMES[b]) for a, b in COCO_17.edge_index),
    ("snout", "hat"),
    ("belt", "tail"),
)
SIGMAS = (0.1,) * 20
SKELETON = Skeleton("figure20", NAMES, LIMBS, tuple((NAMES[a], NAMES[a + 1]) for a in range(1, 17, 2)), SIGMAS)

TABLE = f"""
[skeleton]
name = "figure20"
names = {json.dumps(NAMES)}
limbs = {json.dumps(LIMBS)}
sigmas = {json.dumps(SIGMAS)}
"""

TRAIN = """
[network]
name = "tiny"

[data]
format = "coco"
skeleton = "skeleton.toml"
train = "train.json"
train_images = "images"
dev = "val.json"
dev_images = "images"

[crop]
width_px = 64
height_px = 96
sigma_cells = 1.5

[augment]
rotation_deg = 5.0
scale_range = [0.9, 1.1]

[optimizer]
name = "adamw"
learning_rate = 3e-3

[schedule]
name = "linear"
warmup_steps = 5

[loop]
epochs = 30
batch_size = 16
num_workers = 0
evaluate_every_epochs = 30
save_every_steps = 1000
"""

RUN = """
[detector]
weights = "movenet-person"
longest_side_px = 512
score_threshold = 0.5
nms_iou = 0.5

[estimator]
weights = "trained/weights.safetensors"
"""


def make_data(folder):
    """Make images, annotations, the table of keypoints and the recipes."""
    draw_image = load_script("make_own_data").draw_image
    (folder / "images").mkdir(parents=True)
    images, people = [], []
    for number in range(1, 21):
        image, figures = draw_image(np.random.default_rng(number))
        cv2.imwrite(str(folder / "images" / f"{number:02}.jpg"), image)
        images.append({"id": number, "file_name": f"{number:02}.jpg", "width": 320, "height": 240})
        for points in figures:
            people.append(_annotate(number, len(people) + 1, _add_points(points)))
    for part, chosen in (("train", images[:16]), ("val", images[16:])):
        ids = {image["id"] for image in chosen}
        content = {
            "images": chosen,
            "annotations": [person for person in people if person["image_id"] in ids],
            "categories": [{"id": 1, "name": "person", "keypoints": list(NAMES)}],
        }
        (folder / f"{part}.json").write_text(json.dumps(content))
    (folder / "skeleton.toml").write_text(TABLE)
    (folder / "train.toml").write_text(TRAIN)
    (folder / "run.toml").write_text(RUN)


def _add_points(points_xy):
    """The 17 points of a figure, and its hat, belt and tail, (20, 2)."""
    shoulders, hips, knees = (points_xy[[k, k + 1]].mean(axis=0) for k in (5, 11, 13))
    return np.concatenate([points_xy, [1.6 * points_xy[0] - 0.6 * shoulders, hips, (hips + knees) / 2]])


def _annotate(image_id, number, points_xy):
    left, top = points_xy.min(axis=0) - 8
    width, height = points_xy.max(axis=0) + 8 - (left, top)
    triples = np.hstack([points_xy - 0.5, np.full((20, 1), 2)])
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [left, top, width, height],
        "area": width * height,
        "num_keypoints": 20,
        "keypoints": triples.ravel().tolist(),
    }
