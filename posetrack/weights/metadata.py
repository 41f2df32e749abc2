"""Metadata of weights by their name or path, wherever the facts are noted."""

from __future__ import annotations

from pathlib import Path

from models.metadata import (
    WeightsMetadata,
    find_embedded,
    read_export_header,
    read_header,
    read_metadata,
)
from posetrack.errors import WeightsError
from posetrack.families.table import list_embedded, list_importable
from posetrack.skeleton import find_by_count
from posetrack.weights.published import PUBLISHED


def find_metadata(name_or_path: str | Path) -> WeightsMetadata | None:
    """Find what weights say of themselves.

    Args:
        name_or_path: The name of embedded or published weights, which need not be on this machine; or a file,
            which a `Path` always is.

    Returns:
        Their metadata; None where nothing says, as in a `.pth` file or a `.safetensors` file of others.

    Raises:
        WeightsError: The metadata, or the export, are damaged, or the file cannot be read.
    """
    if isinstance(name_or_path, str) and name_or_path in list_embedded():
        return _read(find_embedded(name_or_path))
    if isinstance(name_or_path, str) and name_or_path in PUBLISHED:
        entry = PUBLISHED[name_or_path]
        return describe_kind(entry.kind, entry.num_keypoints)
    path = Path(name_or_path)
    found = _read(path) or _read_old_import(path)
    if found is None and path.is_file():
        _check_export(path)
    return found


def describe_kind(kind: str, num_outputs: int) -> WeightsMetadata:
    """What published weights say of themselves once they are imported.

    Args:
        kind: A kind of `posetrack.families.table.list_importable`.
        num_outputs: Their number of keypoints, or of classes.
    """
    importable = list_importable()[kind]
    skeleton = find_by_count(num_outputs)
    traits = {**importable.traits, **({} if skeleton is None else {"skeleton": skeleton.name})}
    return WeightsMetadata(importable.network, traits, notes={"kind": kind, "outputs": str(num_outputs)})


def _read_old_import(path: Path) -> WeightsMetadata | None:
    """Imports of version 0.1 noted their kind alone; all their keypoints are COCO's."""
    kind = read_header(path).get("kind", "")
    return describe_kind(kind, 17) if kind in list_importable() else None


def _check_export(path: Path) -> None:
    """Raise WeightsError if a file is an export that cannot be read."""
    try:
        read_export_header(path)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; export the weights again") from error
    except OSError as error:
        raise WeightsError(f"{path}: not readable ({error.strerror or error})") from error


def _read(path: Path) -> WeightsMetadata | None:
    try:
        return read_metadata(path)
    except ValueError as error:
        raise WeightsError(f"{path}: its metadata are damaged: {error}; get the file again") from error
