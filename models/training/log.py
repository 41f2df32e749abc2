"""Logs of a training run: CSV, and TensorBoard if it is installed."""

from __future__ import annotations

import csv
import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


class CsvLog:
    """A CSV file of numbers by name; the first row determines the columns, `step` first.

    Args:
        path: The file.
        first_step: Existing rows after this step are dropped, because a resumed run writes them again.
    """

    def __init__(self, path: Path, first_step: int = 0) -> None:
        self.path = path
        self._columns: list[str] = []
        if first_step == 0 or not path.is_file():
            path.unlink(missing_ok=True)
            return
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            # A row that a crash cut off lacks its last fields, and its step may be truncated too.
            rows = [row for row in reader if None not in row.values()]
            rows = [row for row in rows if _is_until(row.get("step", ""), first_step)]
            self._columns = list(reader.fieldnames or [])
        part = path.with_name(path.name + ".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        part.replace(path)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Append a row; None leaves a field empty."""
        is_new = not self._columns
        if is_new:
            self._columns = ["step", *values]
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore")
            if is_new:
                writer.writeheader()
            writer.writerow({"step": step, **{name: _shorten(value) for name, value in values.items()}})


class TensorBoardLog:
    """A TensorBoard log of the same numbers; without the package it logs one note and writes nothing."""

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        self._writer: Any = None
        if importlib.util.find_spec("tensorboard") is None:
            _log.info("no TensorBoard log: `pip install tensorboard` for one; the CSV log has every number")
            return
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first_step or None)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Add numbers at a step."""
        if self._writer is not None:
            for name, value in values.items():
                if value is not None:
                    self._writer.add_scalar(name, value, step)
            self._writer.flush()


def _is_until(step: str, last_step: int) -> bool:
    """Whether a row's step, which a crash may have filled with anything, is at most this one."""
    return step.isdecimal() and len(step) < 20 and int(step) <= last_step


def _shorten(value: float | None) -> str:
    return "" if value is None else f"{value:.7g}"


class TrainingLogs:
    """The logs of a training run.

    Args:
        folder: Where they are written.
        first_step: The step from which it goes on; later rows of an earlier run are dropped.

    Attributes:
        training: `train.csv`, the losses.
        evaluation: `evaluation.csv`, the metrics.
        board: TensorBoard's, both.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        self.training = CsvLog(folder / "train.csv", first_step)
        self.evaluation = CsvLog(folder / "evaluation.csv", first_step)
        self.board = TensorBoardLog(folder / "tensorboard", first_step)
