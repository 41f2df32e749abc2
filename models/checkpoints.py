"""Weights on disk: strict loading, import of what others publish, the table of what ships with the package."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.backbones.variants import (
    HRNET_W18,
    HRNET_W24,
    HRNET_W32,
    HRNET_W48,
    RESNET_50,
    RESNET_101,
    RESNET_152,
)
from models.hrnet.network import ClassificationHRNet, ClassificationResNet, PoseHRNet, SimpleBaseline
from models.rcnn.variants import NETWORKS
from models.swahr.network import HigherHRNet

EMBEDDED_SHA256 = {
    "hrnet-w18-256x192": "8cea9211aaf3cb42f2d17e43b54dd37e950eecf2d9ecc10eafd3963052a0c983",
    "movenet-multipose": "55ec63cb662c8dc9adada5541bee059d0e7e06841061442d879e6befdcbfd574",
    "movenet-person": "0a1c3ca6ff8e5fb53abeaf7bc71968c355fce7a817dab775b222e2502fd364c2",
    "movenet-thunder": "f7e64998dd5c62021bb1d17771b155eb8005ac70e247d61ad976af7d39484f08",
    "swahr-movenet-256": "d1d4c944d82c581d6411cacc197b5c3e93605b089e4aed55acbaeb0b644984de",
    "thunder-heatmaps-256x192": "c2b028489f57fefc43fa49316469b332cc0802bf06fb92dc1f9e97dafdc978e7",
}
"""Embedded weights by name, each `weights/<name>.safetensors` with a card `weights/<name>.md`."""

_HRNETS = {"hrnet-w18": HRNET_W18, "hrnet-w24": HRNET_W24, "hrnet-w32": HRNET_W32, "hrnet-w48": HRNET_W48}
_RESNETS = {"50": RESNET_50, "101": RESNET_101, "152": RESNET_152}
_INPUT_SIZES = ("256x192", "384x288", "256x256")
_BOTTOM_UP = {"w32": HRNET_W32, "w48": HRNET_W48}
_BOTTOM_UP_SIZES = ("512", "640")
_RCNNS = ("faster-rcnn", "mask-rcnn", "keypoint-rcnn")


def _make_rcnn(name: str, num_outputs: int) -> nn.Module:
    """One of torchvision's, whose numbers of classes and keypoints are its own."""
    # These take longer to import than torch itself; whoever loads other weights does not wait for them.
    from models.rcnn.network import make_rcnn

    return make_rcnn(NETWORKS[name])


IMPORTABLE: dict[str, Callable[[int], nn.Module]] = {
    **{f"{name}-{size}": partial(PoseHRNet, c) for name, c in _HRNETS.items() for size in _INPUT_SIZES},
    **{f"{name}-imagenet": partial(ClassificationHRNet, c) for name, c in _HRNETS.items()},
    **{
        f"simple-baseline-r{name}-{size}": partial(SimpleBaseline, c)
        for name, c in _RESNETS.items()
        for size in _INPUT_SIZES
    },
    **{f"{name}-r50": partial(_make_rcnn, name) for name in _RCNNS},
    **{f"resnet-{name}-imagenet": partial(ClassificationResNet, c) for name, c in _RESNETS.items()},
    **{
        f"{family}-{name}-{size}": partial(HigherHRNet, c, has_scale_maps=family == "swahr")
        for family in ("higher-hrnet", "swahr")
        for name, c in _BOTTOM_UP.items()
        for size in _BOTTOM_UP_SIZES
    },
}
"""Kinds of published checkpoints, each with its network, given the number of keypoints or classes.

The size says for what input, height by width or the shorter side, the weights were trained; the network is the
same for each.
"""

# Where files keep the weights beside other things.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
# First DataParallel's, then that of HigherHRNet's wrapper for half precision (its W48 was trained so), then
# mmpose's (before version 1 the head is `keypoint_head`).
_PREFIXES = (
    ("module.", ""),
    ("1.", ""),
    ("model.", ""),
    ("backbone.", ""),
    ("keypoint_head.", ""),
    ("head.", ""),
)
# Whose weights have names of their own, and their parts at the start.
_RCNN_PARTS = ("backbone.", "rpn.", "roi_heads.")
# What torchvision named its convolutions before they became blocks.
_TORCHVISION_NAMES = (
    (re.compile(r"rpn\.head\.conv\.(weight|bias)"), r"rpn.head.conv.0.0.\1"),
    (re.compile(r"backbone\.fpn\.(\w+_blocks\.\d)\.(weight|bias)"), r"backbone.fpn.\1.0.\2"),
    *(
        (re.compile(rf"roi_heads\.mask_head\.mask_fcn{i + 1}\.(weight|bias)"), rf"roi_heads.mask_head.{i}.0.\1")
        for i in range(4)
    ),
)
_COUNTER = "num_batches_tracked"


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
    state = _read_safetensors(path)
    _check_fit(state, module, path)
    with torch.no_grad():
        module.load_state_dict(state, strict=True)


def load_published(module: nn.Module, path: Path) -> None:
    """Fill a network from a published checkpoint, as `import_checkpoint` reads it.

    Args:
        module: The network, of any kind.
        path: A `.pth` file, or `.safetensors`.

    Raises:
        CheckpointError: The file cannot be read so, or does not fit the network.
    """
    state = _read_state(path)
    _fill_counters(state, module.state_dict())
    _check_fit(state, module, path)
    with torch.no_grad():
        module.load_state_dict(state, strict=True)


def import_checkpoint(path: Path, kind: str) -> dict[str, Tensor]:
    """Read a published checkpoint, in the names of our networks.

    The releases of HRNet, SimpleBaseline, HigherHRNet, SWAHR and torchvision have them already; mmpose's, and
    those wrapped by DataParallel, for half precision or in a training state, are renamed. Counters that old
    PyTorch did not keep are 0. Only tensors and plain values are read from the file; nothing in it is run.

    Args:
        path: A `.pth` file, or `.safetensors`.
        kind: A key of `IMPORTABLE`.

    Returns:
        The weights by name.

    Raises:
        CheckpointError: There is no such kind, the file cannot be read so, or it does not fit the kind's
            network.
    """
    if kind not in IMPORTABLE:
        raise CheckpointError(f"kind '{kind}': not known; known: {', '.join(IMPORTABLE)}")
    state = _read_state(path)
    with torch.device("meta"):
        module = IMPORTABLE[kind](max(count_outputs(state), 1))
    _fill_counters(state, module.state_dict())
    _check_fit(state, module, path)
    return state


def count_outputs(state: Mapping[str, Tensor]) -> int:
    """Number of keypoints, or of classes, that weights are for; 0 where there is no last layer."""
    for name in ("classifier.weight", "fc.weight", "final_layer.weight", "final_layers.1.weight"):
        if name in state and state[name].ndim:
            return len(state[name])
    return 0


def write_weights(path: Path, state: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Write weights as safetensors, whole or not at all.

    Args:
        path: The file to write.
        state: The weights by name.
        about: What to note in the file's header.

    Raises:
        OSError: It cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        save_file({key: tensor.contiguous().clone() for key, tensor in state.items()}, part, dict(about))
        part.chmod(0o644)
        part.replace(path)
    except SafetensorError as error:
        raise OSError(f"{path}: not written ({error})") from error
    finally:
        part.unlink(missing_ok=True)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors ({error})") from error
    return state


def _read_state(path: Path) -> dict[str, Tensor]:
    """Read weights of either format, unwrapped and with our names."""
    content: object
    if path.suffix == ".safetensors":
        content = _read_safetensors(path)
    else:
        try:
            with warnings.catch_warnings():
                # Old files hold storages of a kind that torch now warns about.
                warnings.simplefilter("ignore")
                content = torch.load(path, map_location="cpu", weights_only=True)
        except OSError as error:
            raise CheckpointError(f"{path}: not readable ({error.strerror or error})") from error
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"{path}: no PyTorch file of tensors and plain values only, and nothing else is read "
                f"({_shorten(error)})"
            ) from error
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path}: holds no weights by name")
    return _rename(content, path)


def _rename(content: Mapping[object, object], path: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    is_rcnn = all(any(str(key).startswith(part) for key in content) for part in _RCNN_PARTS)
    for key, tensor in content.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(f"{path}: '{key}' is no tensor but a {type(tensor).__name__}")
        name = _rename_torchvision(key) if is_rcnn else _remove_prefixes(key)
        if name in state:
            raise CheckpointError(f"{path}: holds {name} twice, once as {key}")
        state[name] = tensor
    return state


def _remove_prefixes(name: str) -> str:
    for prefix, instead in _PREFIXES:
        if name.startswith(prefix):
            name = instead + name.removeprefix(prefix)
    return name


def _rename_torchvision(name: str) -> str:
    for pattern, instead in _TORCHVISION_NAMES:
        if pattern.fullmatch(name):
            return pattern.sub(instead, name)
    return name


def _fill_counters(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Add the batch norms' counters, which PyTorch before 0.4.1 did not keep and evaluation does not use."""
    for key in own:
        if key.endswith(_COUNTER) and f"{key.removesuffix(_COUNTER)}running_mean" in state:
            state.setdefault(key, torch.zeros((), dtype=torch.long))


def _check_fit(state: Mapping[str, Tensor], module: nn.Module, path: Path) -> None:
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


def _shorten(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}"


def compute_sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
