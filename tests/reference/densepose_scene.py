"""Made dense annotations, and networks of the DensePose family small enough to learn within seconds."""

from dataclasses import replace

import numpy as np
import torch

from models.backbones.variants import ResNetFPNConfig
from models.densepose.parts import NUM_CHARTS
from models.densepose.symmetry import SymmetryTable
from models.densepose.targets import PersonPoints


def shrink(config):
    """The same variant with a small body and thin heads."""
    return replace(
        config,
        backbone=ResNetFPNConfig("resnet18", channels=64),
        proposals_per_level=(30, 20),
        proposals=(30, 20),
        sampled_proposals=16,
        box_width=32,
        dense_width=32,
        max_people=6,
    )


def make_person(seed, num_points=12, *, has_mask=True):
    """A person with random points, some of them on the background, and random coarse parts in blocks."""
    draw = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 15, (8, 8), generator=draw, dtype=torch.uint8)
    return PersonPoints(
        points_xy=torch.rand(num_points, 2, generator=draw) * 256,
        charts=torch.randint(0, NUM_CHARTS + 1, (num_points,), generator=draw),
        coordinates_uv=torch.rand(num_points, 2, generator=draw),
        mask=blocks.repeat_interleave(32, 0).repeat_interleave(32, 1) if has_mask else None,
    )


def make_outputs(num_people, side=6, num_coarse=15, seed=0, confidences=()):
    """Random outputs of the dense head, float64."""
    draw = torch.Generator().manual_seed(seed)
    channels = {"coarse": num_coarse, "fine": 25, "u": 25, "v": 25} | dict.fromkeys(confidences, 25)
    return {
        name: torch.randn(num_people, number, side, side, generator=draw, dtype=torch.float64)
        for name, number in channels.items()
    }


def make_symmetry(seed=0):
    """A made table of coordinates, different in every place."""
    return SymmetryTable(np.random.default_rng(seed).random((2, NUM_CHARTS, 256, 256), np.float32))
