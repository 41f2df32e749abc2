"""Checkpoints: the complete state of a training run, for an exact resume.

A checkpoint is a `torch.save` file of tensors and plain values, read with `weights_only=True`, so it never runs
code. It is written under a temporary name, flushed to the disk and then renamed, so that a checkpoint that
exists is complete.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from models.out_of_memory import is_out_of_memory
from models.training.errors import TrainingError

_log = logging.getLogger(__name__)

_PREFIX, _SUFFIX = "checkpoint-", ".pt"
_BEST = "best.pt"


def write_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Write a checkpoint atomically: after a crash the file is either complete or unchanged.

    Raises:
        TrainingError: It cannot be written; what was before is still there.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            save_to(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise TrainingError(
            f"{path}: not written ({error.strerror}); make room, or use another --out"
        ) from error


def save_to(content: dict[str, Any], file: IO[bytes]) -> None:
    """Write a content as `torch.save` does; what stops it is raised, not what torch makes of that."""
    try:
        torch.save(content, file)
    except RuntimeError as error:
        # Where a write fails or Ctrl-C comes, torch still ends its archive, and raises what that gives.
        if isinstance(error.__context__, OSError | KeyboardInterrupt):
            raise error.__context__ from None
        raise


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, all tensors on the CPU.

    Raises:
        TrainingError: It is missing, damaged, or contains more than tensors and plain values.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"{path}: no such checkpoint") from error
    except (OSError, MemoryError) as error:
        raise TrainingError(f"{path}: not readable ({error})") from error
    except Exception as error:  # Unpickling bytes that are no pickle may raise anything.
        if is_out_of_memory(error):
            raise TrainingError(f"{path}: the memory is too small to read it; free some") from error
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"{path}: not a checkpoint of ours, or damaged ({reason}); delete it") from error
    if not isinstance(content, dict):
        raise TrainingError(f"{path}: not a checkpoint of ours; delete it")
    return content


class CheckpointFolder:
    """The checkpoints of one run: the last few by step, and the best.

    Args:
        folder: The folder, created with the first checkpoint.
        keep: Number of latest checkpoints to keep.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self._keep = keep

    def save(self, content: dict[str, Any], step: int, *, is_best: bool = False) -> Path:
        """Write the checkpoint of a step, and delete those that are not to be kept."""
        path = self.folder / f"{_PREFIX}{step:08d}{_SUFFIX}"
        write_checkpoint(content, path)
        if is_best:
            part = self.best.with_name(_BEST + ".part")
            shutil.copyfile(path, part)
            part.replace(self.best)
        for old in self._find_all()[: -self._keep]:
            old.unlink()
        return path

    @property
    def latest(self) -> Path | None:
        """The checkpoint of the last step, if there is one."""
        found = self._find_all()
        return found[-1] if found else None

    def read_latest(self) -> dict[str, Any]:
        """Read the last checkpoint that is whole; each damaged one is passed over with a logged warning.

        Raises:
            TrainingError: There is none.
        """
        found = self._find_all()
        if not found:
            raise TrainingError(f"{self.folder}: no checkpoint")
        for path in reversed(found):
            try:
                return read_checkpoint(path)
            except TrainingError as error:
                if path == found[0]:
                    raise
                _log.warning("%s; the one before is taken", error)
        raise AssertionError("the first one was read or raised")

    @property
    def best(self) -> Path:
        """Path of the best checkpoint, which exists if any was evaluated."""
        return self.folder / _BEST

    def _find_all(self) -> list[Path]:
        return sorted(self.folder.glob(f"{_PREFIX}*{_SUFFIX}"))


def get_rng_state() -> dict[str, Any]:
    """The states of this process's random number generators (python, numpy, torch, its GPU) as plain values."""
    kind, words, position, has_gauss, gauss = np.random.get_state()
    state = {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.asarray(words, np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    """Restore the states that `get_rng_state` returned."""
    random.setstate(state["python"])
    kind, words, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, words.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
