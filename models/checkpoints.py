"""Strict loading of weights, and the import of published checkpoints."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.detectron2_names import is_published, rename_published
from models.metadata import WeightsMetadata, encode_metadata, find_embedded
from models.out_of_memory import is_out_of_memory
from models.pickles import RefusedPickleError, read_pickle

# Keys of the weights in files that also contain other things.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_MOST_WRAPPERS = 8
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
# Parts of the R-CNN family's networks, whose names must not be stripped of `_PREFIXES`.
_RCNN_PARTS = ("backbone.", "rpn.", "roi_heads.")
# Names of torchvision's convolutions before they became blocks.
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


def load_embedded(module: nn.Module, name: str, sha256: str = "") -> None:
    """Load weights that ship with the package.

    Args:
        module: The network.
        name: Name of the file, without its suffix.
        sha256: Expected digest of the file; empty for no check.

    Raises:
        CheckpointError: The file is missing or damaged, or does not fit the network.
    """
    path = find_embedded(name)
    if not path.is_file():
        raise CheckpointError(f"{path}: embedded weights are missing; install the package again")
    if sha256 and compute_sha256(path) != sha256:
        raise CheckpointError(f"{path}: embedded weights are damaged; install the package again")
    load_checkpoint(module, path)


def load_checkpoint(module: nn.Module, path: Path) -> None:
    """Load a safetensors file into a network strictly: every name and shape must match.

    Args:
        module: The network; its dtype is kept, independent of the file's.
        path: A `.safetensors` file.

    Raises:
        CheckpointError: The file cannot be read, or does not fit the network.
    """
    state = _read_safetensors(path)
    _check_fit(state, module, path)
    with torch.no_grad():
        module.load_state_dict(state, strict=True)


def load_published(module: nn.Module, path: Path) -> None:
    """Load a published checkpoint into a network, as read by `import_checkpoint`.

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


def import_checkpoint(path: Path, make_network: Callable[[int], nn.Module]) -> dict[str, Tensor]:
    """Read a published checkpoint, in the names of our networks.

    The releases of HRNet, SimpleBaseline, HigherHRNet, SWAHR and torchvision have them already; mmpose's, and
    those wrapped by DataParallel, for half precision or in a training state, are renamed. Counters that old
    PyTorch did not keep are 0. Only tensors and plain values are read from the file; nothing in it is run.

    Args:
        path: A `.pth` file, `.safetensors`, or a `.pkl` of NumPy arrays, as of detectron2.
        make_network: From the number of keypoints, or of classes, to the network that the weights are for.

    Returns:
        The weights by name.

    Raises:
        CheckpointError: The file cannot be read so, or does not fit the network.
    """
    state = _read_state(path)
    with torch.device("meta"):
        module = make_network(max(count_outputs(state), 1))
    _fill_counters(state, module.state_dict())
    _check_fit(state, module, path)
    return state


def find_fitting(path: Path, makers: Mapping[str, Callable[[int], nn.Module]]) -> str | None:
    """Find the network that a checkpoint of either format is of.

    Args:
        path: A `.pth` or `.safetensors` file.
        makers: Networks by name; see `import_checkpoint`.

    Returns:
        The first whose names and shapes are those of the checkpoint, with its number of outputs, such as
        `hrnet-w32 with 14 keypoints or classes`; None where there is none, or the file cannot be read.
    """
    try:
        state = _read_state(path)
    except CheckpointError:
        return None
    for name, make_network in makers.items():
        with torch.device("meta"):
            module = make_network(max(count_outputs(state), 1))
        _fill_counters(state, module.state_dict())
        if not _find_problems(state, module):
            return f"{name} with {count_outputs(state)} keypoints or classes" if count_outputs(state) else name
    return None


def count_outputs(state: Mapping[str, Tensor]) -> int:
    """Number of keypoints, or of classes, that weights are for; 0 where there is no last layer."""
    for name in ("classifier.weight", "fc.weight", "final_layer.weight", "final_layers.1.weight"):
        if name in state and state[name].ndim:
            return len(state[name])
    return 0


def write_weights(path: Path, state: Mapping[str, Tensor], metadata: WeightsMetadata) -> None:
    """Write weights as safetensors, whole or not at all.

    Args:
        path: The file to write.
        state: The weights by name.
        metadata: What they say of themselves, in the file's header.

    Raises:
        OSError: It cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        save_file(
            {key: tensor.contiguous().clone() for key, tensor in state.items()}, part, encode_metadata(metadata)
        )
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
    elif path.suffix == ".pkl":
        content = _read_arrays(path)
    else:
        try:
            with warnings.catch_warnings():
                # Old files hold storages of a kind that torch now warns about.
                warnings.simplefilter("ignore")
                content = torch.load(path, map_location="cpu", weights_only=True)
        except OSError as error:
            raise CheckpointError(f"{path}: not readable ({error.strerror or error})") from error
        except Exception as error:  # Unpickling bytes that are no pickle may raise anything.
            if is_out_of_memory(error):
                raise CheckpointError(f"{path}: the memory is too small to read it; free some") from error
            raise CheckpointError(
                f"{path}: no PyTorch file of tensors and plain values only, and nothing else is read "
                f"({_shorten(error)})"
            ) from error
    for _ in range(_MOST_WRAPPERS):  # A file may hold itself.
        if not isinstance(content, Mapping):
            break
        content = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), content)
    is_wrapped = isinstance(content, Mapping) and any(
        isinstance(content.get(key), Mapping) for key in _WRAPPERS
    )
    if not isinstance(content, Mapping) or not content or is_wrapped:
        raise CheckpointError(f"{path}: holds no weights by name")
    return _rename(content, path)


def _read_arrays(path: Path) -> object:
    """Read detectron2's pickles of NumPy arrays by name; nothing else in them is made."""
    with tempfile.TemporaryDirectory() as cache:
        try:
            content = read_pickle(path, lambda: Path(cache))
        except RefusedPickleError as error:
            raise CheckpointError(f"{path}: {error}") from error
        except OSError as error:
            raise CheckpointError(f"{path}: not readable ({error.strerror or error})") from error
        weights = content.get("model", content) if isinstance(content, Mapping) else None
        if not isinstance(weights, Mapping):
            return content
        return {
            name: torch.from_numpy(np.array(value))
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
            else value
            for name, value in weights.items()
        }


def _rename(content: Mapping[object, object], path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for key, tensor in content.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(f"{path}: '{key}' is no tensor but a {type(tensor).__name__}")
        tensors[key] = tensor
    if is_published(tensors):
        return rename_published(tensors)
    state: dict[str, Tensor] = {}
    is_rcnn = all(any(key.startswith(part) for key in tensors) for part in _RCNN_PARTS)
    for key, tensor in tensors.items():
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
    problems = _find_problems(state, module)
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(f"{path}: does not fit the network: {'; '.join(problems[:3])}{more}")
    wrong = [key for key, tensor in state.items() if not tensor.isfinite().all()]
    if wrong:
        raise CheckpointError(f"{path}: damaged: {', '.join(wrong[:3])}: NaN or infinite; get the file again")


def _find_problems(state: Mapping[str, Tensor], module: nn.Module) -> list[str]:
    """What keeps weights from filling a network strictly."""
    own = module.state_dict()
    problems = [f"missing {key}" for key in own if key not in state]
    problems += [f"unexpected {key}" for key in state if key not in own]
    problems += [
        f"{key}: shape {tuple(state[key].shape)}, expected {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    return problems


def _shorten(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}"


def compute_sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
