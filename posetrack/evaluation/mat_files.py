"""Reading of MATLAB files for evaluation."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from models.data import mat_files
from models.training.errors import DataError
from posetrack.errors import ResultsError


def read_mat(path: Path, names: Collection[str]) -> dict[str, Any]:
    """Read variables of a MATLAB file; see `models.data.mat_files.read_mat`.

    Raises:
        ResultsError: The file cannot be read, or is not a MATLAB file of level 5.
    """
    try:
        return mat_files.read_mat(path, names)
    except DataError as error:
        raise ResultsError(str(error)) from error
