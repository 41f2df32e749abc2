"""Compilation of the network that is trained."""

from __future__ import annotations

import os
import shutil

import torch
from torch import nn

from models.training.errors import TrainingError


def compile_network(network: nn.Module, device: torch.device) -> None:
    """Compile a network in place, which happens at its first call.

    Raises:
        TrainingError: There is no C++ compiler for a CPU.
    """
    if device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        raise TrainingError(
            "compile = true needs a C++ compiler on a CPU, and there is none; "
            "install g++ (or name yours in CXX), or set compile = false"
        )
    network.compile()
