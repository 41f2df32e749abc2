"""A small DensePose network that finds people in noise, for tests of what stands around it."""

from dataclasses import replace

import torch

from models.densepose.network import DensePoseRCNN, make_densepose
from models.densepose.variants import NETWORKS

SMALL = replace(
    NETWORKS["densepose-r50"],
    backbone=replace(NETWORKS["densepose-r50"].backbone, name="resnet18", channels=16, strides_first=False),
    proposals_per_level=(64, 32),
    proposals=(64, 32),
    box_width=32,
    dense_width=16,
)


def make_small_densepose(config=SMALL) -> DensePoseRCNN:
    """Make the network, the same at each call; of a configuration, its width and depth are not taken."""
    torch.manual_seed(0)
    network = make_densepose(SMALL).eval()
    # So that random weights find boxes of all kinds of scores, and parts of all kinds.
    torch.nn.init.normal_(network.roi_heads.box_predictor.cls_score.weight, std=0.5)
    for layer in network.roi_heads.dense_predictor.layers.values():
        torch.nn.init.normal_(layer.weight, std=0.5)
    return network
