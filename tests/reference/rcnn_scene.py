"""Networks of the R-CNN family small enough to learn within seconds, and a scene for them to learn."""

from dataclasses import replace

import torch

from models.backbones.variants import MobileConfig, PyramidConfig, ResNetFPNConfig
from models.rcnn.variants import LITE0_DETECTOR

K = 3
W, H = 96, 64
FRACTIONS = torch.tensor([[0.5, 0.2], [0.3, 0.5], [0.7, 0.8]])
"""Where the keypoints are in their boxes, x and y."""

DETECTOR = replace(
    LITE0_DETECTOR,
    backbone=PyramidConfig(MobileConfig("tf_mobilenetv3_small_minimal_100"), channels=16, layers=1),
    box_width=32,
    num_keypoints=K,
)
"""A mobile detector of boxes."""
POSED_DETECTOR = replace(DETECTOR, keypoint_layers=(16, 16), has_offsets=True)
"""The same with a keypoint head."""


def shrink(config):
    """The same variant with a small body and thin heads."""
    backbone = replace(config.backbone, channels=16)
    if isinstance(backbone, ResNetFPNConfig):
        backbone = replace(backbone, name="resnet18")
    return replace(
        config,
        backbone=backbone,
        num_keypoints=K,
        proposals_per_level=(30, 20),
        proposals=(30, 20),
        sampled_proposals=16,
        box_width=32,
        mask_layers=(16, 16) if config.has_masks else (),
        keypoint_layers=(16, 16) if config.has_keypoints else (),
        max_people=6,
    )


def make_scene():
    """Bright people on a dark, noisy background, two in one image and nobody in the other.

    Keypoints are squares of three other colours.

    Returns:
        (2, 3, H, W) uint8, and the targets of each image.
    """
    boxes = torch.tensor([[8.0, 6.0, 30.0, 58.0], [52.0, 10.0, 80.0, 60.0]])
    places = boxes[:, None, :2] + FRACTIONS * (boxes[:, 2:] - boxes[:, :2])[:, None]
    images = torch.randint(0, 60, (2, 3, H, W), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    masks = torch.zeros(2, H, W, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        images[0, :, y0:y1, x0:x1] += 150
        mask[y0:y1, x0:x1] = 1
    for person in places.int().tolist():
        for channel, (x, y) in enumerate(person):
            images[0, channel, y - 4 : y + 4, x - 4 : x + 4] = 0
    someone = {
        "boxes": boxes,
        "labels": torch.ones(2, dtype=torch.int64),
        "masks": masks,
        "keypoints": torch.cat([places, torch.ones(2, K, 1)], dim=2),
    }
    nobody = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, H, W, dtype=torch.uint8),
        "keypoints": torch.zeros(0, K, 3),
    }
    return images, [someone, nobody]
