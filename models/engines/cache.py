"""Disk cache of converted networks, keyed by a hash of their inputs and verified when read.

A file is the SHA-256 of its payload, then the payload. The folder is that of `models.cache_folder`.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from models.cache_folder import find_cache_folder

_DIGEST_BYTES = 32
_PLAIN = (int, float, str, bytes, tuple, list, dict, type(None))
_KEPT_S = 60 * 24 * 3600
_KEPT_BYTES = 2 * 2**30
_LOG = logging.getLogger(__name__)


def compute_key(module: nn.Module, example: Tensor, converter: str) -> str:
    """Compute a hash of everything that a converted network depends on.

    Args:
        module: The network: its weights and buffers, its structure, the plain attributes of its modules, and
            their source code with what that imports from the same package.
        example: An input; its shape and dtype.
        converter: Name and version of the converter.

    Returns:
        32 hex digits.
    """
    digest = hashlib.sha256(f"{converter} torch {torch.__version__} {sys.version_info[:2]}".encode())
    digest.update(f"{tuple(example.shape)} {example.dtype} {module!r}".encode())
    for name, part in module.named_modules():
        values = {key: value for key, value in vars(part).items() if not key.startswith("_")}
        plain = {key: value for key, value in values.items() if not isinstance(value, Tensor | nn.Module)}
        digest.update(f"{name} {type(part).__qualname__} {_describe(plain)}".encode())
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    for path in _find_sources(module):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def read_cached(file_name: str) -> bytes | None:
    """Read a payload from the cache.

    Returns:
        The payload; None if it does not exist, is damaged, or cannot be read.
    """
    path = find_cache_folder() / file_name
    try:
        with path.open("rb") as file:
            digest, payload = file.read(_DIGEST_BYTES), file.read()
    except OSError as error:
        _LOG.debug("%s: not read (%s)", path, error.strerror)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    if hashlib.sha256(payload).digest() != digest:
        _LOG.info("%s: damaged, converting again", path)
        return None
    return payload


def write_cached(file_name: str, payload: bytes) -> bool:
    """Write a payload atomically; remove those not used for two months, and those least of late beyond 2 GiB.

    Returns:
        Whether it was written; on a full or read-only disk nothing is cached.
    """
    path = find_cache_folder() / file_name
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            file.write(hashlib.sha256(payload).digest())
            file.write(payload)
        part.replace(path)
        _remove_unused(path)
    except OSError as error:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()
        _LOG.info("%s: not written (%s); the network is converted again next time", path, error.strerror)
        return False
    return True


def _remove_unused(written: Path) -> None:
    """Remove what is too old or too much from the folder of a file that was just written, which stays."""
    files: list[tuple[float, int, Path]] = []
    for path in written.parent.iterdir():
        with contextlib.suppress(FileNotFoundError):
            state = path.stat()
            files.append((state.st_mtime, state.st_size, path))
    oldest, kept_bytes = time.time() - _KEPT_S, 0
    for used_at, size, path in sorted(files, reverse=True):
        kept_bytes += size
        if path != written and (used_at < oldest or kept_bytes > _KEPT_BYTES):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def _describe(values: dict[str, object]) -> str:
    """Format plain values by repr, and others, whose repr may contain an address, by their type."""
    words = {
        key: repr(value) if isinstance(value, _PLAIN) or hasattr(value, "__dataclass_fields__") else type(value)
        for key, value in values.items()
    }
    return str(sorted(words.items()))


def _find_sources(module: nn.Module) -> list[Path]:
    """Find the source files of the modules' classes, and those that they import from the same package."""
    waiting = {cls.__module__ for part in module.modules() for cls in type(part).__mro__}
    seen: set[str] = set()
    paths: set[Path] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        source = sys.modules.get(name)
        package = name.partition(".")[0]
        if source is None or package in ("torch", "builtins"):
            continue
        if file := getattr(source, "__file__", None):
            paths.add(Path(file))
        for value in vars(source).values():
            other = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(other, str) and other.partition(".")[0] == package and other not in seen:
                waiting.add(other)
    return sorted(path for path in paths if path.suffix == ".py" and path.is_file())
