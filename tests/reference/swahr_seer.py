"""Painted people, and a network that sees them: stands in where a trained one would be.

A person is two blobs: one at all left keypoints, red, and one at all others, green. Both have some blue if the
person's tag shall differ from another's. Left is on the right side of the image, as of people who face the
camera; in the mirror it is the other way round, and the network calls left what it sees there, as a trained one
would.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, pad

from models.backbones.imagenet import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB

TAG_GAIN = 6.0


def paint(image_wh, people, sigma):
    """(H, W, 3) uint8 with people of (left_xy, right_xy, has_blue), in continuous pixels."""
    xs, ys = np.arange(image_wh[0]) + 0.5, np.arange(image_wh[1]) + 0.5
    image = np.zeros((image_wh[1], image_wh[0], 3))
    for left_xy, right_xy, has_blue in people:
        for channel, (x, y) in enumerate((left_xy, right_xy)):
            blob = np.exp(-((xs - x) ** 2 + (ys[:, None] - y) ** 2) / (2 * sigma**2))
            image[..., channel] = np.maximum(image[..., channel], blob)
            if has_blue:
                image[..., 2] = np.maximum(image[..., 2], blob)
    return (image * 255).round().astype(np.uint8)


def place_keypoints(people, sides):
    """(N, K, 2): where these people's keypoints are."""
    return np.array([[left if side == "left" else right for side in sides] for left, right, _ in people])


class Seer(nn.Module):
    """Heatmaps at 1/4 and 1/2, and tags at 1/4, of painted people.

    `sides` says for each keypoint whether it is on the left, on the right or in the middle of the body.
    """

    def __init__(self, sides):
        super().__init__()
        self.sides = sides
        self.unused = nn.Parameter(torch.zeros(1))

    def remove_scale_maps(self):
        pass

    def forward(self, images):
        std, mean = (
            torch.tensor(v, device=images.device)[:, None, None] for v in (IMAGENET_STD_RGB, IMAGENET_MEAN_RGB)
        )
        rgb = images.float() * std + mean
        # The middle of cell c is the pixel of number (c + 1/2) stride: averages about it.
        quarter = avg_pool2d(pad(rgb, (0, 1, 0, 1)), 5, stride=4)
        half = avg_pool2d(pad(rgb, (0, 1, 0, 1)), 3, stride=2)
        tags = TAG_GAIN * quarter[:, 2:] / (quarter.sum(dim=1, keepdim=True) + 1e-3)
        tags = tags.expand(-1, len(self.sides), -1, -1)
        return torch.cat([self.look(quarter), tags], dim=1), self.look(half)

    def look(self, rgb):
        columns = torch.arange(rgb.shape[3], device=rgb.device)
        centres = (rgb * columns).sum(dim=(2, 3)) / (rgb.sum(dim=(2, 3)) + 1e-6)
        is_mirrored = (centres[:, 0] < centres[:, 1])[:, None, None]
        red, green = rgb[:, 0], rgb[:, 1]
        maps = {
            "left": torch.where(is_mirrored, green, red),
            "right": torch.where(is_mirrored, red, green),
            "middle": green,
        }
        return torch.stack([maps[side] for side in self.sides], dim=1)
