"""Description and verification of weights that are embedded, published or in a file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn

from models.checkpoints import compute_sha256
from models.fit import count_outputs, list_shapes
from models.metadata import WeightsMetadata, find_embedded
from models.settings import suggest
from models.stored_weights import read_stored
from models.training.int8 import INT8_RANGES
from posetrack.errors import WeightsError
from posetrack.families.table import list_embedded, list_importable, load_families
from posetrack.skeleton_files import describe_skeleton
from posetrack.weights.metadata import find_metadata
from posetrack.weights.published import PUBLISHED
from posetrack.weights.publishers import PublishedWeights
from posetrack.weights.store import find_export, find_file, find_weights, load_weights, read_card


def verify_weights(name: str) -> str:
    """Hash weights that ship with PoseTrack or were fetched, and load them into their network strictly.

    Args:
        name: Name of embedded weights, or a key of `PUBLISHED`.

    Returns:
        SHA-256 of the file.

    Raises:
        WeightsError: There are no such weights, they are missing or damaged, or do not fit their network.
    """
    if name in list_embedded():
        path = find_embedded(name)
    elif name in PUBLISHED:
        path = find_weights(name, is_thorough=True)
    else:
        known = suggest(name, [*list_embedded(), *PUBLISHED])
        raise WeightsError(f"{name}: neither embedded nor published weights; {known}")
    load_weights(_make_network(find_metadata(name), path), name)
    return compute_sha256(path)


def describe_weights(name_or_path: str) -> dict[str, str]:
    """Describe weights by labels and values, for display.

    Args:
        name_or_path: A name of embedded or published weights, or a file.

    Returns:
        Values by label; `card` is the text of an embedded network's card.

    Raises:
        WeightsError: There are no such weights, or the file cannot be read.
    """
    if name_or_path in list_embedded():
        return _describe_embedded(name_or_path)
    if name_or_path in PUBLISHED:
        return _describe_published(name_or_path)
    path = Path(name_or_path)
    if path.is_file():
        return _describe_file(path)
    known = suggest(name_or_path, [*list_embedded(), *PUBLISHED])
    raise WeightsError(f"{name_or_path}: neither a file nor weights that PoseTrack knows; {known}")


def _describe_embedded(name: str) -> dict[str, str]:
    path = find_embedded(name)
    if not path.is_file():
        raise WeightsError(f"{path}: embedded weights are missing; install the package again")
    card = path.with_suffix(".md")
    described = _describe_file(path)
    return {
        "name": f"{name} (ships with PoseTrack)",
        **described,
        **({"card": card.read_text(encoding="utf-8")} if card.is_file() else {}),
    }


def _describe_published(name: str) -> dict[str, str]:
    entry = PUBLISHED[name]
    with torch.device("meta"):
        network = list_importable()[entry.kind].make_network(entry.num_keypoints)
    parameters = sum(tensor.numel() for tensor in network.parameters())
    digits = entry.sha256 if entry.is_whole_digest else f"{entry.sha256}... (more digits are not published)"
    described = {
        "name": f"{name} (published)",
        "kind": entry.kind,
        "parameters": f"{parameters / 1e6:.2f} M",
        "keypoints": str(entry.num_keypoints),
        "licence": entry.licence,
        **({"terms": entry.terms} if entry.terms else {}),
        "source": entry.source,
        "published file": entry.file_name,
        "its sha256": digits if entry.sha256 else "not published; the first fetch notes it",
        "addresses": " ".join(entry.urls) or "none; get it from the source, and fetch with --mirror FOLDER",
        "stated": entry.stated,
    }
    card = read_card(name)
    if card is None or not find_file(name).is_file():
        return {**described, "here": f"no; `posetrack weights fetch {name}`"}
    return {
        **described,
        "its sha256": card.source_sha256,
        "here": str(find_file(name)),
        "sha256": card.sha256,
        "fetched": f"{card.fetched} from {card.url}",
    }


def _describe_file(path: Path) -> dict[str, str]:
    digest = compute_sha256(path)
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    export = find_export(path)
    if export is not None:
        return {
            "file": str(path),
            "size": size,
            "sha256": digest,
            "export": f"to {export.kind}, {export.precision}, parts {', '.join(export.parts)}",
            **_describe_metadata(export.metadata),
        }
    if path.suffix != ".safetensors":
        names = [entry.name for entry in PUBLISHED.values() if _is_file_of(entry, digest)]
        is_what = ", ".join(names) or "not known; see `posetrack weights import`"
        return {"file": str(path), "size": size, "sha256": digest, "published as": is_what}
    try:
        state = read_stored(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path}: not readable as safetensors ({error})") from error
    numbers = sum(tensor.numel() for tensor in state.values() if tensor.is_floating_point())
    outputs = count_outputs(list_shapes(state))
    return {
        "file": str(path),
        "size": size,
        "sha256": digest,
        "numbers": f"{numbers / 1e6:.2f} M (parameters and running means)",
        **({"outputs": str(outputs)} if outputs else {}),
        **_describe_metadata(find_metadata(path)),
    }


def _is_file_of(entry: PublishedWeights, digest: str) -> bool:
    """Whether a file is the published one: by the digits that are published, or else were noted at a fetch."""
    card = read_card(entry.name)
    known = entry.sha256 or (card.source_sha256 if card is not None else "")
    return bool(known) and digest.startswith(known)


def _describe_metadata(metadata: WeightsMetadata | None) -> dict[str, str]:
    if metadata is None:
        return {"network": "not said in the file"}
    traits = {name: str(value) for name, value in metadata.traits.items()}
    if "skeleton" in traits:
        traits["skeleton"] = describe_skeleton(traits["skeleton"])
    training = {"training": metadata.training} if metadata.training else {}
    notes = dict(metadata.notes)
    if notes.pop(INT8_RANGES, None):
        notes["int8"] = "trained for it: `posetrack export --int8` needs no images"
    return {"network": metadata.network, **traits, **training, **notes}


def _make_network(metadata: WeightsMetadata | None, path: Path) -> nn.Module:
    """Make the network of weights on the CPU, without values."""
    if metadata is None:
        raise WeightsError(f"{path}: says nothing of its network")
    with torch.device("meta"):
        if "kind" in metadata.notes:
            make = list_importable()[metadata.notes["kind"]].make_network
            network = make(int(metadata.notes["outputs"]))
        else:
            network = _make_own(metadata)
    return network.to_empty(device="cpu")


def _make_own(metadata: WeightsMetadata) -> nn.Module:
    for family in load_families():
        for name, role in family.roles.items():
            if metadata.network in role.networks:
                return role.make_network(role.complete(role.settings(), metadata, name))
    raise WeightsError(f"{metadata.network}: PoseTrack knows no network of this name")
