"""Fetching of published weights: download, verification, conversion, and a card."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from models.checkpoints import (
    CheckpointError,
    MisfitError,
    compute_sha256,
    import_checkpoint,
    write_weights,
)
from models.fit import take_outputs
from posetrack.errors import WeightsError
from posetrack.families.table import list_importable
from posetrack.weights.download import DownloadError, Progress, download, make_address, remove_part
from posetrack.weights.metadata import describe_kind
from posetrack.weights.nearest import describe_misfit
from posetrack.weights.publishers import PublishedWeights
from posetrack.weights.store import (
    WeightsCard,
    find_file,
    find_weights,
    find_weights_folder,
    get_published,
    read_card,
    write_card,
)

if sys.platform != "win32":
    import fcntl

MIRROR_VARIABLE = "POSETRACK_MIRROR"
"""Environment variable of a mirror that is tried before the publisher's addresses."""

_LOG = logging.getLogger(__name__)


def fetch_weights(
    name: str,
    *,
    mirrors: Sequence[str] = (),
    is_forced: bool = False,
    on_progress: Progress = lambda here, total: None,
) -> Path:
    """Fetch published weights to the cache, unless they are present and intact.

    Several processes may do so at once, except on Windows: one fetches, the others wait for it.

    Args:
        name: A key of `PUBLISHED`.
        mirrors: Folders or addresses of folders with the file, tried first, in order; then `$POSETRACK_MIRROR`,
            then the publisher's addresses.
        is_forced: Whether to fetch them even if they are present.
        on_progress: Called after every chunk.

    Returns:
        The `.safetensors` file.

    Raises:
        WeightsError: There are no such weights, no address delivers them, or the file does not contain them.
        OSError: The cache cannot be written.
    """
    entry = get_published(name)
    folder = find_weights_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with _hold_lock(folder / f"{name}.lock", name):
        if not is_forced:
            with contextlib.suppress(WeightsError):
                return find_weights(name, is_thorough=True)
        part = _find_part(entry)
        url, digest = _download(entry, part, mirrors, on_progress)
        path = _convert(entry, part, url, digest)
        remove_part(part)
    return path


def list_addresses(entry: PublishedWeights, mirrors: Sequence[str]) -> list[str]:
    """List the addresses of a file in order, without duplicates.

    Raises:
        WeightsError: A mirror is not an address.
    """
    own = os.environ.get(MIRROR_VARIABLE)
    try:
        addresses = [make_address(mirror, entry.file_name) for mirror in [*mirrors, *([own] if own else [])]]
    except DownloadError as error:
        raise WeightsError(str(error)) from error
    return list(dict.fromkeys([*addresses, *entry.urls]))


def _download(
    entry: PublishedWeights, part: Path, mirrors: Sequence[str], on_progress: Progress
) -> tuple[str, str]:
    addresses = list_addresses(entry, mirrors)
    card = read_card(entry.name)
    is_known = card is not None and card.source_sha256.startswith(entry.sha256)
    try:
        return download(
            addresses,
            part,
            sha256=card.source_sha256 if card is not None and is_known else entry.sha256,
            size_bytes=entry.size_bytes,
            on_progress=on_progress,
        )
    except DownloadError as error:
        kept_bytes = part.stat().st_size if part.is_file() else 0
        kept = f" ({kept_bytes / 1e6:.1f} MB are kept for the next fetch)" if kept_bytes else ""
        where = entry.urls[0] if entry.urls else f"{entry.file_name} of {entry.source}"
        raise WeightsError(
            f"{entry.name}: not fetched: {error}{kept}; download {where} elsewhere and run "
            f"`posetrack weights fetch {entry.name} --mirror FOLDER`, or `posetrack weights import FILE "
            f"--kind {entry.kind} --out X.safetensors` and give --weights X.safetensors"
        ) from error


def _convert(entry: PublishedWeights, part: Path, url: str, digest: str) -> Path:
    """Convert the fetched file to our names and format, and write its card."""
    state = take_outputs(_import(entry, part), entry.outputs)
    path = find_file(entry.name)
    metadata = describe_kind(entry.kind, entry.num_keypoints)
    notes = {"source": url or entry.source, "source_sha256": digest, "licence": entry.licence}
    if entry.terms:
        notes["terms"] = entry.terms
    training = f"published as {entry.file_name}; stated: {entry.stated}"
    metadata = replace(metadata, training=training, notes={"name": entry.name, **metadata.notes, **notes})
    write_weights(path, state, metadata)
    status = path.stat()
    write_card(
        WeightsCard(
            name=entry.name,
            kind=entry.kind,
            url=url,
            source_sha256=digest,
            sha256=compute_sha256(path),
            size_bytes=status.st_size,
            modified_ns=status.st_mtime_ns,
            licence=entry.licence,
            fetched=datetime.datetime.now(datetime.UTC).date().isoformat(),
        )
    )
    return path


def _import(entry: PublishedWeights, part: Path) -> dict[str, Tensor]:
    try:
        return import_checkpoint(part, list_importable()[entry.kind].make_network)
    except CheckpointError as error:
        if not entry.sha256:
            # Nothing else says that it is the right file, so that the next fetch is to begin again.
            remove_part(part)
        text = describe_misfit(error) if isinstance(error, MisfitError) else str(error)
        raise WeightsError(f"{entry.name}: fetched, but not imported: {text}") from error


def _find_part(entry: PublishedWeights) -> Path:
    return find_weights_folder() / f"{entry.name}.part{Path(entry.file_name).suffix}"


@contextlib.contextmanager
def _hold_lock(path: Path, name: str) -> Iterator[None]:
    """Lock the weights against other processes; the system releases the lock when the process ends."""
    # Windows has no such locks: two processes that fetch the same weights there may interfere.
    if sys.platform == "win32":
        yield
        return
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _LOG.warning("%s: another process fetches them; waiting for it", name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
