"""Weights on disk: strict loading, and the table of the weights that ship with the package."""

from __future__ import annotations

import hashlib
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

EMBEDDED_SHA256 = {
    "movenet-multipose": "55ec63cb662c8dc9adada5541bee059d0e7e06841061442d879e6befdcbfd574",
    "movenet-thunder": "f7e64998dd5c62021bb1d17771b155eb8005ac70e247d61ad976af7d39484f08",
}
"""Embedded weights by name, each `weights/<name>.safetensors` with a card `weights/<name>.md`."""


class CheckpointError(Exception):
    """Weights are missing, damaged, or do not fit their network."""


def load_embedded(module: nn.Module, name: str) -> None:
    """Load weights that ship with the package, after checking their SHA-256.

    Args:
        module: The network to fill.
        name: A key of `EMBEDDED_SHA256`.

    Raises:
        CheckpointError: The file is missing or damaged, or does not fit the network.
    """
    with as_file(files("models") / "weights" / f"{name}.safetensors") as path:
        if not path.is_file():
            raise CheckpointError(f"{path}: embedded weights are missing; install the package again")
        if compute_sha256(path) != EMBEDDED_SHA256[name]:
            raise CheckpointError(f"{path}: embedded weights are damaged; install the package again")
        load_checkpoint(module, path)


def load_checkpoint(module: nn.Module, path: Path) -> None:
    """Fill a network from a safetensors file, every name and shape matching, nothing left over.

    Args:
        module: The network; its own dtype is kept whatever the file's.
        path: A `.safetensors` file.

    Raises:
        CheckpointError: The file cannot be read, or does not fit the network.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors ({error})") from error
    own = module.state_dict()
    problems = [f"missing {key}" for key in own if key not in state]
    problems += [f"unexpected {key}" for key in state if key not in own]
    problems += [
        f"{key}: shape {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(f"{path}: does not fit the network: {'; '.join(problems[:3])}{more}")
    with torch.no_grad():
        module.load_state_dict(state, strict=True)


def compute_sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
