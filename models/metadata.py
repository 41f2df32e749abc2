"""Metadata of weights, in the header of a safetensors file, or of an export (`models.engines.exported`).

A header holds text by name. Ours are `format` (`posetrack-weights/1`), `network`, `training` (one line about
how they were made), one entry for each trait, as JSON, under the name `trait.NAME`; and notes, such as where a
file was imported from. A trait is a fact that a predictor must know to use the weights, by the name that
recipes give it: `skeleton`, `width_px`, `coding`, ...
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

FORMAT = "posetrack-weights/1"
"""The `format` entry of a header."""

Trait = str | int | float
"""The value of a trait."""

EXPORT_HEADER = "export.json"
"""The member of an export, a zip file, that says what is in it; its `metadata` are those of the weights."""

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000
_LARGEST_TRAIT = 2**53
# Where a zip file has the name of its first member.
_ZIP_NAME_AT = 30
_TRAIT = "trait."


@dataclass(frozen=True)
class WeightsMetadata:
    """Metadata of weights.

    Attributes:
        network: Name of their network, a key of its family's `NETWORKS`.
        traits: The settings that they were trained with, by the names in recipes.
        training: One line about their training.
        notes: Other text by name: `kind` and `source` of an import, ...
    """

    network: str
    traits: Mapping[str, Trait] = field(default_factory=dict)
    training: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)


def encode_metadata(metadata: WeightsMetadata) -> dict[str, str]:
    """Encode metadata as the text entries of a header."""
    return {
        **metadata.notes,
        "format": FORMAT,
        "network": metadata.network,
        "training": metadata.training,
        **{f"{_TRAIT}{name}": json.dumps(value) for name, value in metadata.traits.items()},
    }


def decode_metadata(header: Mapping[str, str]) -> WeightsMetadata | None:
    """Read metadata from a header's text by name.

    Returns:
        None where the header has none of ours.

    Raises:
        ValueError: It has, but they are damaged.
    """
    if header.get("format") != FORMAT:
        return None
    if not header.get("network"):
        raise ValueError("the network is missing")
    traits = {
        name.removeprefix(_TRAIT): _decode_trait(name, text)
        for name, text in sorted(header.items())
        if name.startswith(_TRAIT)
    }
    known = ("format", "network", "training")
    notes = {name: text for name, text in header.items() if name not in known and not name.startswith(_TRAIT)}
    return WeightsMetadata(header["network"], traits, header.get("training", ""), notes)


def _decode_trait(name: str, text: str) -> Trait:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{name}: {text[:40]!r} is not JSON") from None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str) and not (is_number and abs(value) < _LARGEST_TRAIT):
        raise ValueError(f"{name}: expected a text or a number, found {text[:40]}")
    return value  # type: ignore[no-any-return]


def read_header(path: Path) -> dict[str, str]:
    """Read the text entries in the header of a safetensors file or of an export, without its tensors.

    Args:
        path: The file.

    Returns:
        The entries by name; empty if the file cannot be read, which is reported when it is loaded.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length > min(_LONGEST_HEADER, path.stat().st_size):
                return _take_texts(read_export_header(path).get("metadata"))
            content: Any = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError):
        return {}
    return _take_texts(content.get("__metadata__") if isinstance(content, dict) else None)


def _begins_as_export(path: Path) -> bool:
    """Whether the first member of a zip file that may have lost its end is `EXPORT_HEADER`."""
    name = EXPORT_HEADER.encode()
    with path.open("rb") as file:
        start = file.read(_ZIP_NAME_AT + len(name))
    return start.startswith(b"PK\x03\x04") and start[_ZIP_NAME_AT:] == name


def read_export_header(path: Path) -> dict[str, Any]:
    """Read `EXPORT_HEADER` of an export.

    Returns:
        The JSON object; empty if the file is no export.

    Raises:
        ValueError: It is an export, and damaged.
        OSError: It cannot be read.
    """
    if not zipfile.is_zipfile(path):
        if _begins_as_export(path):
            raise ValueError("cut off: an export that has lost its end")
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            if EXPORT_HEADER not in archive.namelist():
                return {}
            with archive.open(EXPORT_HEADER) as file:
                content = json.loads(file.read(_LONGEST_HEADER))
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        RecursionError,
    ) as error:
        raise ValueError(f"its {EXPORT_HEADER} is damaged ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"its {EXPORT_HEADER} is no JSON object")
    return content


def _take_texts(header: object) -> dict[str, str]:
    if not isinstance(header, dict):
        return {}
    return {str(name): text for name, text in header.items() if isinstance(text, str)}


def read_metadata(path: Path) -> WeightsMetadata | None:
    """Read the metadata of a safetensors file or of an export; None if it has none of ours.

    Raises:
        ValueError: They are damaged.
    """
    return decode_metadata(read_header(path))


def find_embedded(name: str) -> Path:
    """Find the file of embedded weights by their name."""
    return Path(str(files("models") / "weights" / f"{name}.safetensors"))
