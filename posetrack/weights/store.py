"""The cache of published weights, its verification, and loading of weights into networks.

The folder is `weights` in the cache folder of `models.cache_folder`: `$POSETRACK_CACHE`, else
`$XDG_CACHE_HOME/posetrack`, else `~/.cache/posetrack`. Each file `NAME.safetensors` has a card `NAME.json`.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from torch import nn

from models.cache_folder import find_cache_folder
from models.checkpoints import (
    CheckpointError,
    MisfitError,
    compute_sha256,
    load_checkpoint,
    load_embedded,
    load_published,
)
from models.engines.exported import Export, ExportError, read_export
from models.metadata import find_embedded
from models.settings import suggest
from posetrack.errors import WeightsError
from posetrack.families.table import list_embedded
from posetrack.weights.nearest import describe_misfit
from posetrack.weights.published import PUBLISHED
from posetrack.weights.publishers import PublishedWeights


@dataclass(frozen=True)
class WeightsCard:
    """The card of weights in the cache.

    Attributes:
        name: A key of `PUBLISHED`.
        kind: The kind as which they were imported.
        url: Address of the published file.
        source_sha256: Full SHA-256 of the published file.
        sha256: SHA-256 of the file beside the card.
        size_bytes: Size of that file.
        modified_ns: Modification time of that file.
        licence: SPDX identifier.
        fetched: Day of the fetch, ISO 8601.
    """

    name: str
    kind: str
    url: str
    source_sha256: str
    sha256: str
    size_bytes: int
    modified_ns: int
    licence: str
    fetched: str


def find_weights_folder() -> Path:
    """The folder of fetched weights, which need not exist."""
    return find_cache_folder().parent / "weights"


def find_file(name: str) -> Path:
    """Path of fetched weights by name."""
    return find_weights_folder() / f"{name}.safetensors"


def get_published(name: str) -> PublishedWeights:
    """Find published weights by name.

    Raises:
        WeightsError: There are none.
    """
    if name not in PUBLISHED:
        raise WeightsError(f"{name}: no published weights of this name; {suggest(name, PUBLISHED)}")
    return PUBLISHED[name]


def find_weights(name: str, *, is_thorough: bool = False) -> Path:
    """Find and verify the file of fetched weights.

    Args:
        name: A key of `PUBLISHED`.
        is_thorough: Whether to hash the file even if its size and modification time are those on the card.

    Returns:
        A `.safetensors` file with our names.

    Raises:
        WeightsError: There are no such weights, they are not on this machine, or they are damaged.
    """
    entry = get_published(name)
    path = find_file(name)
    card = read_card(name)
    if card is None or not path.is_file():
        raise WeightsError(
            f"{name}: not on this machine; fetch them with `posetrack weights fetch {name}`, "
            "or name a file in the recipe, or for the network that gives the poses with --weights PATH"
        )
    again = f"fetch them again with `posetrack weights fetch {name} --force`"
    if not card.source_sha256.startswith(entry.sha256) or card.kind != entry.kind:
        raise WeightsError(f"{path}: made from another file than the one published now; {again}")
    status = path.stat()
    is_untouched = (status.st_size, status.st_mtime_ns) == (card.size_bytes, card.modified_ns)
    if (is_thorough or not is_untouched) and compute_sha256(path) != card.sha256:
        raise WeightsError(f"{path}: damaged; {again}")
    return path


def find_weights_file(name_or_path: str) -> Path:
    """Find the file of weights; that of a path need not exist.

    Args:
        name_or_path: The name of embedded or fetched weights, or a file.

    Raises:
        WeightsError: Published weights are not on this machine, or they are damaged.
    """
    if name_or_path in list_embedded():
        return find_embedded(name_or_path)
    return find_weights(name_or_path) if name_or_path in PUBLISHED else Path(name_or_path)


def load_weights(module: nn.Module, name_or_path: str | Path) -> None:
    """Load weights into a network strictly: every name and shape must match.

    Args:
        module: The network; its dtype is kept.
        name_or_path: The name of embedded or published weights; or a file, which a `Path` always is:
            `.safetensors` with our names, or a published checkpoint of any kind that can be imported.

    Raises:
        WeightsError: They are missing or damaged, or do not fit the network.
    """
    try:
        embedded = list_embedded()
        if isinstance(name_or_path, str) and name_or_path in embedded:
            load_embedded(module, name_or_path, embedded[name_or_path])
        elif isinstance(name_or_path, str) and name_or_path in PUBLISHED:
            load_checkpoint(module, find_weights(name_or_path))
        else:
            _load_file(module, name_or_path)
    except CheckpointError as error:
        raise WeightsError(str(error)) from error


def find_export(name_or_path: str | Path) -> Export | None:
    """Read weights that are an exported network, not weights to load into one; None for others.

    Args:
        name_or_path: As for `load_weights`.

    Raises:
        WeightsError: The export is damaged.
    """
    is_name = isinstance(name_or_path, str) and (name_or_path in PUBLISHED or name_or_path in list_embedded())
    path = Path(name_or_path)
    if is_name or not path.is_file():
        return None
    try:
        return read_export(path)
    except ExportError as error:
        raise WeightsError(f"{path}: {error}") from error
    except OSError as error:
        raise WeightsError(f"{path}: not readable ({error.strerror or error})") from error


def find_sha256(name_or_path: str | Path) -> str:
    """Find the SHA-256 of weights that were loaded; only those that are given as a file are read again.

    Args:
        name_or_path: As for `load_weights`.

    Raises:
        WeightsError: The file can no longer be read.
    """
    known = ""
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in (embedded := list_embedded()):
        known, path = embedded[name_or_path], find_embedded(name_or_path)
    elif isinstance(name_or_path, str) and name_or_path in PUBLISHED:
        card, path = read_card(name_or_path), find_file(name_or_path)
        known = card.sha256 if card is not None else ""
    try:
        return known or compute_sha256(path)
    except OSError as error:
        raise WeightsError(f"{path}: not readable ({error.strerror or error})") from error


def _load_file(module: nn.Module, name_or_path: str | Path) -> None:
    path = Path(name_or_path)
    if not path.is_file():
        known = suggest(str(name_or_path), [*list_embedded(), *PUBLISHED])
        raise WeightsError(f"{name_or_path}: neither a file nor weights that PoseTrack knows; {known}")
    try:
        if path.suffix == ".safetensors":
            load_checkpoint(module, path)
        else:
            load_published(module, path)
    except MisfitError as error:
        raise CheckpointError(describe_misfit(error)) from error


def read_card(name: str) -> WeightsCard | None:
    """Read the card of fetched weights; None if there is none, or it cannot be read."""
    try:
        content = json.loads(_find_card(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.keys() != {field.name for field in fields(WeightsCard)}:
        return None
    return WeightsCard(**content)


def write_card(card: WeightsCard) -> None:
    """Write the card of fetched weights atomically.

    Raises:
        OSError: It cannot be written.
    """
    path = _find_card(card.name)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(card), file, indent=2)
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _find_card(name: str) -> Path:
    return find_weights_folder() / f"{name}.json"
