"""What there is to know about weights, embedded, published or in a file, and whether they are whole."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from models.backbones.variants import MOVENET_MULTIPOSE, MOVENET_THUNDER
from models.checkpoints import EMBEDDED_SHA256, IMPORTABLE, compute_sha256, count_outputs
from models.hrnet.network import PoseMoveNet
from models.movenet.network import MoveNet
from models.rcnn.variants import MOVENET_DETECTOR
from models.settings import suggest
from models.swahr.network import make_swahr_network
from models.swahr.variants import NETWORKS as BOTTOM_UP_NETWORKS
from posetrack.errors import WeightsError
from posetrack.skeleton import COCO_17
from posetrack.weights.published import PUBLISHED
from posetrack.weights.store import find_file, find_weights, load_weights, read_card


def _make_movenet_person() -> nn.Module:
    # torchvision takes as long to import as torch itself.
    from models.rcnn.network import make_rcnn

    return make_rcnn(MOVENET_DETECTOR)


_EMBEDDED: dict[str, Callable[[], nn.Module]] = {
    "movenet-multipose": lambda: MoveNet(MOVENET_MULTIPOSE),
    "movenet-thunder": lambda: MoveNet(MOVENET_THUNDER),
    "movenet-person": _make_movenet_person,
    "swahr-movenet-256": lambda: make_swahr_network(BOTTOM_UP_NETWORKS["swahr-movenet"], COCO_17.num_keypoints),
    "thunder-heatmaps-256x192": lambda: PoseMoveNet(MOVENET_THUNDER, COCO_17.num_keypoints),
}
"""The networks of embedded weights that are of no kind in `IMPORTABLE`."""


def verify_weights(name: str) -> str:
    """Hash weights that ship with PoseTrack or were fetched, and load them into their network strictly.

    Args:
        name: A key of `EMBEDDED_SHA256` or `PUBLISHED`.

    Returns:
        SHA-256 of the file.

    Raises:
        WeightsError: There are no such weights, they are missing or damaged, or do not fit their network.
    """
    if name in EMBEDDED_SHA256:
        path = find_embedded(name)
    elif name in PUBLISHED:
        path = find_weights(name, is_thorough=True)
    else:
        known = suggest(name, [*EMBEDDED_SHA256, *PUBLISHED])
        raise WeightsError(f"{name}: neither embedded nor published weights; {known}")
    kind = PUBLISHED[name].kind if name in PUBLISHED else name
    load_weights(_make_network(kind, path), name)
    return compute_sha256(path)


def find_embedded(name: str) -> Path:
    """The file of embedded weights.

    Raises:
        WeightsError: It is missing.
    """
    with as_file(files("models") / "weights" / f"{name}.safetensors") as path:
        if not path.is_file():
            raise WeightsError(f"{path}: embedded weights are missing; install the package again")
        return path


def describe_weights(name_or_path: str) -> dict[str, str]:
    """What is known about weights, as labels and values for people to read.

    Args:
        name_or_path: A name of embedded or published weights, or a file.

    Returns:
        Values by label; `card` is the text of an embedded network's card.

    Raises:
        WeightsError: There are no such weights, or the file cannot be read.
    """
    if name_or_path in EMBEDDED_SHA256:
        return _describe_embedded(name_or_path)
    if name_or_path in PUBLISHED:
        return _describe_published(name_or_path)
    path = Path(name_or_path)
    if path.is_file():
        return _describe_file(path)
    known = suggest(name_or_path, [*EMBEDDED_SHA256, *PUBLISHED])
    raise WeightsError(f"{name_or_path}: neither a file nor weights that PoseTrack knows; {known}")


def _describe_embedded(name: str) -> dict[str, str]:
    path = find_embedded(name)
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
        network = IMPORTABLE[entry.kind](entry.num_keypoints)
    parameters = sum(tensor.numel() for tensor in network.parameters())
    digits = "" if entry.is_whole_digest else "... (more digits are not published)"
    described = {
        "name": f"{name} (published)",
        "kind": entry.kind,
        "parameters": f"{parameters / 1e6:.2f} M",
        "keypoints": str(entry.num_keypoints),
        "licence": entry.licence,
        "source": entry.source,
        "published file": entry.file_name,
        "its sha256": f"{entry.sha256}{digits}",
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
    if path.suffix != ".safetensors":
        names = [entry.name for entry in PUBLISHED.values() if digest.startswith(entry.sha256)]
        is_what = ", ".join(names) or "not known; see `posetrack weights import`"
        return {"file": str(path), "size": size, "sha256": digest, "published as": is_what}
    try:
        with safe_open(path, "pt") as file:
            header = dict(file.metadata() or {})
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not readable as safetensors ({error})") from error
    numbers = sum(tensor.numel() for tensor in state.values() if tensor.is_floating_point())
    outputs = count_outputs(state)
    return {
        "file": str(path),
        "size": size,
        "sha256": digest,
        "numbers": f"{numbers / 1e6:.2f} M (parameters and running means)",
        **({"outputs": str(outputs)} if outputs else {}),
        **header,
    }


def _make_network(kind: str, path: Path) -> nn.Module:
    """The network that weights are for, on the CPU, its values not set."""
    try:
        outputs = max(count_outputs(load_file(path)), 1)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not readable as safetensors ({error})") from error
    if kind not in _EMBEDDED and kind not in IMPORTABLE:
        raise WeightsError(f"{path}: PoseTrack knows no network called {kind}")
    with torch.device("meta"):
        network = _EMBEDDED[kind]() if kind in _EMBEDDED else IMPORTABLE[kind](outputs)
    return network.to_empty(device="cpu")
