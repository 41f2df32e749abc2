"""What weights say of themselves: the metadata in the header of a safetensors file.

A header holds text by name. Ours are `format` (`posetrack-weights/1`), `network`, `training` (one line about
how they were made), one entry for each trait, as JSON, under the name `trait.NAME`; and notes, such as where a
file was imported from. A trait is a fact that a predictor must know to use the weights, by the name that
recipes give it: `skeleton`, `width_px`, `coding`, ...
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

FORMAT = "posetrack-weights/1"
"""The `format` entry of a header."""

Trait = str | int | float
"""The value of a trait."""

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000
_TRAIT = "trait."


@dataclass(frozen=True)
class WeightsMetadata:
    """What weights say of themselves.

    Attributes:
        network: Name of their network, a key of its family's `NETWORKS`.
        traits: What they were trained for, by the names that recipes use.
        training: How they were made, in one line.
        notes: Other text by name: `kind` and `source` of an import, ...
    """

    network: str
    traits: Mapping[str, Trait] = field(default_factory=dict)
    training: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)


def encode_metadata(metadata: WeightsMetadata) -> dict[str, str]:
    """Write metadata as a header's text by name."""
    return {
        **metadata.notes,
        "format": FORMAT,
        "network": metadata.network,
        "training": metadata.training,
        **{f"{_TRAIT}{name}": json.dumps(value) for name, value in metadata.traits.items()},
    }


def decode_metadata(header: Mapping[str, str]) -> WeightsMetadata | None:
    """Read metadata from a header's text by name; None where there are none of ours, or they are damaged."""
    if header.get("format") != FORMAT or not header.get("network"):
        return None
    traits: dict[str, Trait] = {}
    for name, text in header.items():
        if not name.startswith(_TRAIT):
            continue
        try:
            value = json.loads(text)
        except ValueError:
            return None
        if not isinstance(value, str | int | float):
            return None
        traits[name.removeprefix(_TRAIT)] = value
    known = ("format", "network", "training")
    notes = {name: text for name, text in header.items() if name not in known and not name.startswith(_TRAIT)}
    return WeightsMetadata(header["network"], traits, header.get("training", ""), notes)


def read_header(path: Path) -> dict[str, str]:
    """Read the text by name in the header of a safetensors file, without its tensors.

    Args:
        path: The file.

    Returns:
        Empty where the file cannot be read as one: whoever loads it will say why.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length > min(_LONGEST_HEADER, path.stat().st_size):
                return {}
            content: Any = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError):
        return {}
    header = content.get("__metadata__", {}) if isinstance(content, dict) else {}
    if not isinstance(header, dict):
        return {}
    return {str(name): text for name, text in header.items() if isinstance(text, str)}


def read_metadata(path: Path) -> WeightsMetadata | None:
    """Read the metadata of a safetensors file; None where it has none."""
    return decode_metadata(read_header(path))


def find_embedded(name: str) -> Path:
    """The file of weights that ship with the package, by their name."""
    return Path(str(files("models") / "weights" / f"{name}.safetensors"))
