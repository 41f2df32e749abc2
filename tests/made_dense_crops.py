"""A person whose colours tell charts and coordinates, with annotations, and a network that reads them off."""

import json

import cv2
import numpy as np
import torch
from pycocotools import mask as mask_api
from torch import nn
from torch.nn import functional

from models.backbones.imagenet import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from models.backbones.variants import MoveNetConfig
from models.densepose.crops.variants import DenseCropConfig
from models.densepose.parts import CHART_TO_MASK, NUM_CHARTS, NUM_MASKS
from posetrack.skeleton import COCO_17

BOX = (40.0, 30.0, 60.0, 120.0)
IMAGE_WH = (140, 180)
STEP = 10
"""Levels of red from one chart to the next."""
SMALL = DenseCropConfig(MoveNetConfig(0.25, 17, False), width=32, depth=1, fine_width=32)
_TO_MASK = np.array(CHART_TO_MASK)


def draw_person():
    """(H, W, 3) uint8: in the box charts are rows of red, u is green from left to right, v blue downwards."""
    x, y, w, h = map(int, BOX)
    image = np.zeros((IMAGE_WH[1], IMAGE_WH[0], 3), np.uint8)
    image[y : y + h, x : x + w, 0] = STEP * (1 + np.arange(h) * NUM_CHARTS // h)[:, None]
    image[y : y + h, x : x + w, 1] = 255 * (np.arange(w) + 0.5) / w
    image[y : y + h, x : x + w, 2] = (255 * (np.arange(h) + 0.5) / h)[:, None]
    return image


def annotate_person():
    """The COCO-style fields `dp_*` of the person."""
    # In the middle of its rows, since colours between two charts tell a third one.
    places = [(x, (row + 0.5) * 256 / NUM_CHARTS) for row in range(NUM_CHARTS) for x in (30.0, 130.0, 220.0)]
    rows = _TO_MASK[1 + np.arange(256) * NUM_CHARTS // 256]
    masks = []
    for part in range(1, NUM_MASKS + 1):
        drawn = np.asfortranarray(np.broadcast_to((rows == part)[:, None], (256, 256)).astype(np.uint8))
        lengths = mask_api.encode(drawn)
        masks.append({"size": lengths["size"], "counts": lengths["counts"].decode()})
    return {
        "dp_x": [x for x, _ in places],
        "dp_y": [y for _, y in places],
        "dp_I": [float(1 + int(y * NUM_CHARTS / 256)) for _, y in places],
        "dp_U": [x / 256 for x, _ in places],
        "dp_V": [y / 256 for _, y in places],
        "dp_masks": masks,
    }


def write_people(folder, num_images=1, keypoints=None):
    """Write images of the person and their annotations, `people.json`, whose every second person is real.

    A real one has keypoints in place of dense annotations, if they are given.
    """
    images, people = [], []
    for i in range(1, num_images + 1):
        cv2.imwrite(str(folder / f"{i}.png"), draw_person()[..., ::-1])
        images.append({"id": i, "file_name": f"{i}.png", "width": IMAGE_WH[0], "height": IMAGE_WH[1]})
        person = {"id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "bbox": list(BOX)}
        person |= {"area": BOX[2] * BOX[3], "segmentation": [], "keypoints": [0] * 51, "num_keypoints": 0}
        is_real = keypoints is not None and i % 2 == 0
        person |= {"keypoints": keypoints, "num_keypoints": 17} if is_real else annotate_person()
        people.append(person)
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.names)}
    content = {"images": images, "annotations": people, "categories": [category]}
    (folder / "people.json").write_text(json.dumps(content))


class ColourReader(nn.Module):
    """A network that gives the charts and coordinates of `draw_person`'s colours, at 1/4."""

    def __init__(self):
        super().__init__()
        self.mean, self.std = (
            nn.Parameter(torch.tensor(v)[:, None, None]) for v in (IMAGENET_MEAN_RGB, IMAGENET_STD_RGB)
        )

    def forward(self, crops):
        """As `DenseCropNetwork.forward`."""
        colours = functional.avg_pool2d((crops * self.std + self.mean) * 255, 4)
        red, u, v = colours[:, 0:1], colours[:, 1:2] / 255, colours[:, 2:3] / 255
        charts = torch.arange(NUM_CHARTS + 1, device=crops.device)[:, None, None]
        fine = -(red - STEP * charts).abs()
        coarse = torch.cat([3.0 - red, red - 3.0, red.repeat(1, NUM_MASKS - 1, 1, 1) * 0 - 99], dim=1)
        return {
            "coarse": coarse,
            "fine": fine,
            "u": u.expand(-1, NUM_CHARTS + 1, -1, -1),
            "v": v.expand(-1, NUM_CHARTS + 1, -1, -1),
        }
