"""The record of RAFT: networks of optical flow, for `[tracker] flow = "raft"`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from models.raft.variants import NETWORKS
from posetrack.families.family import Family, Importable

if TYPE_CHECKING:
    from torch import nn


def _make_published(name: str, num_outputs: int) -> nn.Module:
    """Make a network, which has no keypoints."""
    from models.raft.network import make_raft

    return make_raft(name)


FAMILY = Family(
    name="raft",
    flows=NETWORKS,
    importable={name: Importable(name, partial(_make_published, name)) for name in NETWORKS},
)
