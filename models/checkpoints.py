"""Strict loading of weights, and the import of published checkpoints."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from models.detectron2_names import drop_unused, find_origin, find_published_name, rename_published
from models.fit import COUNTER, Shapes, count_outputs, list_problems, list_shapes
from models.metadata import WeightsMetadata, encode_metadata, find_embedded
from models.out_of_memory import is_out_of_memory
from models.pickles import RefusedPickleError, read_pickle
from models.stored_weights import read_stored

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
_ZIP = b"PK\x03\x04"


class CheckpointError(Exception):
    """Weights are missing, damaged, or do not fit their network."""


class MisfitError(CheckpointError):
    """Weights do not fit their network.

    Args:
        path: Their file.
        problems: What does not fit, for display.
        checkpoint: The weights.
        wanted: Shapes of the network.

    Attributes:
        path: The file.
        shapes: Shapes of the weights, by our names.
        wanted: Shapes of the network.
        origin: Who published them; see `models.detectron2_names.find_origin`.
    """

    def __init__(self, path: Path, problems: Sequence[str], checkpoint: _Checkpoint, wanted: Shapes) -> None:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        super().__init__(f"{path}: does not fit the network: {'; '.join(problems[:3])}{more}")
        self.path = path
        self.shapes = list_shapes(checkpoint.state)
        self.wanted = wanted
        self.origin = checkpoint.origin


@dataclass(frozen=True)
class _Checkpoint:
    """Weights as read from a file.

    Attributes:
        state: They, by our names.
        names: Their names in the file, by ours, where these differ.
        origin: Who published them; see `models.detectron2_names.find_origin`.
    """

    state: dict[str, Tensor]
    names: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""

    def publish(self, name: str) -> str:
        """The name in the file for one of ours, which need not be in it."""
        return self.names.get(name) or (find_published_name(name) if self.origin else name)


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
        CheckpointError: The file cannot be read, or, as `MisfitError`, does not fit the network.
    """
    checkpoint = _Checkpoint(_read_safetensors(path))
    _check_fit(checkpoint, module, path)
    with torch.no_grad():
        module.load_state_dict(checkpoint.state, strict=True)


def load_published(module: nn.Module, path: Path) -> None:
    """Load a published checkpoint into a network, as read by `import_checkpoint`.

    Args:
        module: The network, of any kind.
        path: A `.pth` file, or `.safetensors`.

    Raises:
        CheckpointError: The file cannot be read so, or, as `MisfitError`, does not fit the network.
    """
    checkpoint = _read_checkpoint(path)
    _fill_counters(checkpoint.state, module.state_dict())
    _check_fit(checkpoint, module, path)
    with torch.no_grad():
        module.load_state_dict(checkpoint.state, strict=True)


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
        CheckpointError: The file cannot be read so, or, as `MisfitError`, does not fit the network.
    """
    checkpoint = _read_checkpoint(path)
    with torch.device("meta"):
        module = make_network(max(count_outputs(list_shapes(checkpoint.state)), 1))
    _fill_counters(checkpoint.state, module.state_dict())
    _check_fit(checkpoint, module, path)
    return checkpoint.state


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
        return read_stored(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors ({error})") from error


def _read_checkpoint(path: Path) -> _Checkpoint:
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
            with path.open("rb") as file:
                if file.read(len(_ZIP)) == _ZIP:
                    raise CheckpointError(f"{path}: a zip file; if it is of PyTorch, let its name end in .pth")
            content = read_pickle(path, lambda: Path(cache))
        except RefusedPickleError as error:
            raise CheckpointError(f"{path}: {error}") from error
        except OSError as error:
            raise CheckpointError(f"{path}: not readable ({error.strerror or error})") from error
        weights = content.get("model", content) if isinstance(content, Mapping) else None
        if not isinstance(weights, Mapping):
            return content
        # An array that a pickle has under several names is one tensor.
        arrays = {id(value): value for value in weights.values() if isinstance(value, np.ndarray)}
        tensors = {key: _make_tensor(array) for key, array in arrays.items()}
        return {name: tensors.get(id(value), value) for name, value in weights.items()}


def _make_tensor(array: npt.NDArray[Any]) -> Tensor:
    """Copy numbers of any precision and byte order into a tensor; floats are of 32 bits at most."""
    dtype: npt.DTypeLike = np.int64
    if array.dtype.kind == "f":
        dtype = np.float16 if array.dtype.itemsize == 2 else np.float32
    elif array.dtype.kind == "b":
        dtype = np.bool_
    with np.errstate(over="ignore"):  # Becomes infinite, which is refused.
        return torch.from_numpy(np.array(array, dtype, order="C"))


def _list_tensors(content: Mapping[object, object], path: Path) -> dict[str, Tensor]:
    for key, tensor in content.items():
        if not isinstance(key, str):
            raise CheckpointError(f"{path}: {key!r} is no name of weights")
        if not isinstance(tensor, Tensor):
            raise CheckpointError(f"{path}: '{key}' is no tensor but a {type(tensor).__name__}")
    return cast(dict[str, Tensor], dict(content))


def _rename(content: Mapping[object, object], path: Path) -> _Checkpoint:
    origin = find_origin(key for key in content if isinstance(key, str))
    if origin:
        try:
            tensors = _list_tensors(drop_unused(content), path)
            state = rename_published(tensors)
        except ValueError as error:
            raise CheckpointError(f"{path}: {error}") from error
        return _Checkpoint(state, dict(zip(state, tensors, strict=True)), origin)
    tensors = _list_tensors(content, path)
    state = {}
    is_rcnn = all(any(key.startswith(part) for key in tensors) for part in _RCNN_PARTS)
    for key, tensor in tensors.items():
        name = _rename_torchvision(key) if is_rcnn else _remove_prefixes(key)
        if name in state:
            raise CheckpointError(f"{path}: holds {name} twice, once as {key}")
        state[name] = tensor
    return _Checkpoint(state)


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
        if key.endswith(COUNTER) and f"{key.removesuffix(COUNTER)}running_mean" in state:
            state.setdefault(key, torch.zeros((), dtype=torch.long))


def _check_fit(checkpoint: _Checkpoint, module: nn.Module, path: Path) -> None:
    own = list_shapes(module.state_dict())
    problems = list_problems(list_shapes(checkpoint.state), own, checkpoint.publish)
    if problems:
        raise MisfitError(path, problems, checkpoint, own)
    wrong = [key for key, tensor in checkpoint.state.items() if not tensor.isfinite().all()]
    if wrong:
        names = ", ".join(map(checkpoint.publish, wrong[:3]))
        raise CheckpointError(f"{path}: damaged: {names}: NaN or infinite; get the file again")


def _shorten(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}"


def compute_sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
