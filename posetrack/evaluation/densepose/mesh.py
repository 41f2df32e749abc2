"""The body's surface as a mesh: which vertex is closest to a point of a chart, and how far vertices are apart.

The files are those of DensePose's owners: `SMPL_subdiv.mat` (`U_subdiv`, `V_subdiv`, `Part_ID_subdiv`: a row
for each vertex of the fine mesh), `SMPL_SUBDIV_TRANSFORM.mat` (`index`: its vertex of the coarse mesh, from 1)
and `Pdist_matrix.pkl` (distances along the surface of all pairs of the coarse mesh; 1.5 GB that stay on disk).
Meshes of any size do. `posetrack.made_mesh` comes with the package.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from models.densepose.parts import MADE, NUM_CHARTS
from models.pickles import RefusedPickleError, read_pickle
from posetrack.errors import ResultsError
from posetrack.evaluation.mat_files import read_mat
from posetrack.made_mesh import read_made_mesh
from posetrack.results.array_cache import find_array_cache

_log = logging.getLogger(__name__)

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

CHARTS_FILE = "SMPL_subdiv.mat"
"""Charts and coordinates of the fine mesh."""
INDEX_FILE = "SMPL_SUBDIV_TRANSFORM.mat"
"""Vertices of the coarse mesh for those of the fine mesh."""
DISTANCES_FILE = "Pdist_matrix.pkl"
"""Distances on the coarse mesh."""

_OLD_DISTANCES_FILE = "Pdist_matrix.mat"
_DISTANCES_NAME = "Pdist_matrix"
# Distances this close, relatively, are compared as they are rounded: then the first vertex is taken.
_TIE = 1e-9


class BodyMesh:
    """A body mesh: M vertices on 24 charts, and the distances of N coarse vertices.

    Args:
        charts: (M,) 1..24.
        coordinates_uv: (M, 2).
        coarse: (M,) coarse vertex of each, from 0.
        distances: (N (N - 1) / 2,) of the pairs (1, 0), (2, 0), (2, 1), (3, 0), ...; may be memory-mapped.
        name: Name of the mesh in messages: its folder.
    """

    def __init__(
        self, charts: Indices, coordinates_uv: Numbers, coarse: Indices, distances: npt.NDArray[Any], name: str
    ) -> None:
        self._name = name
        self._distances = distances
        self._charts = [
            _Chart(coordinates_uv[charts == chart], coarse[charts == chart])
            for chart in range(1, NUM_CHARTS + 1)
        ]

    def find_vertices(self, charts: Indices, coordinates_uv: Numbers) -> Indices:
        """Find the coarse vertex that is closest in its chart to each of P points; of equals the first.

        Args:
            charts: (P,) 1..24.
            coordinates_uv: (P, 2), in 0..1.

        Returns:
            (P,) from 0.
        """
        found = np.zeros(len(charts), np.int64)
        for number, chart in enumerate(self._charts, 1):
            rows = np.flatnonzero(charts == number)
            if len(rows):
                found[rows] = chart.find(coordinates_uv[rows])
        return found

    def measure(self, first: Indices, second: Indices) -> Numbers:
        """Distances along the surface between P pairs of coarse vertices, of any shape.

        Raises:
            ResultsError: The file has something else than distances there.
        """
        high, low = np.maximum(first, second), np.minimum(first, second)
        distances = np.zeros(high.shape)
        apart = high != low
        places, inverse = np.unique(high[apart] * (high[apart] - 1) // 2 + low[apart], return_inverse=True)
        taken = np.asarray(self._distances[places], np.float64)
        if not (np.isfinite(taken) & (taken >= 0)).all():
            raise ResultsError(
                f"{Path(self._name, DISTANCES_FILE)}: NaN or negative distances; fetch the file again"
            )
        distances[apart] = taken[inverse]
        return distances


class _Chart:
    """One chart: its vertices in the order of the file, each place once."""

    def __init__(self, coordinates_uv: Numbers, coarse: Indices) -> None:
        _, first = np.unique(coordinates_uv, axis=0, return_index=True)
        first.sort()
        self._uv, self._coarse = coordinates_uv[first], coarse[first]
        self._tree = cKDTree(self._uv)

    def find(self, coordinates_uv: Numbers) -> Indices:
        """(P,) the coarse vertices closest to (P, 2)."""
        if len(self._uv) == 1:
            return np.repeat(self._coarse, len(coordinates_uv))
        distances, rows = self._tree.query(coordinates_uv, k=2)
        nearest: Indices = rows[:, 0].astype(np.int64)
        reach = distances[:, 0] * (1 + _TIE) + _TIE**2
        # The tree promises no order among equals.
        for i in np.flatnonzero(distances[:, 1] <= reach):
            candidates = np.sort(self._tree.query_ball_point(coordinates_uv[i], reach[i]))
            offsets = self._uv[candidates] - coordinates_uv[i]
            nearest[i] = candidates[np.sqrt((offsets**2).sum(axis=1)).argmin()]
        return self._coarse[nearest]


def read_mesh(name: str | Path, option: str = "--mesh", base: Path = Path()) -> BodyMesh:
    """Read the mesh that a user names.

    Args:
        name: `made` for the mesh that comes with the package, or a folder of `CHARTS_FILE`, `INDEX_FILE` and
            `DISTANCES_FILE` (`./made` or a Path for one of that name).
        option: Where the user names it.
        base: What the folder is relative to.

    Raises:
        PoseTrackError: A file is missing, cannot be read, or does not fit the others.
    """
    return make_made_body() if name == MADE else _read_folder(base / name, option)


def make_made_body() -> BodyMesh:
    """The mesh that comes with the package, whose coarse vertices are its samples.

    Raises:
        PoseTrackError: Its file is missing or damaged.
    """
    mesh = read_made_mesh()
    lower = mesh.distances_m[np.tril_indices(len(mesh.distances_m), -1)]
    return BodyMesh(mesh.charts.astype(np.int64), mesh.uv.astype(np.float64), mesh.samples, lower, MADE)


def _read_folder(folder: Path, option: str) -> BodyMesh:
    _check_files(folder, option)
    path = folder / CHARTS_FILE
    names = ("U_subdiv", "V_subdiv", "Part_ID_subdiv")
    u, v, charts = _read_columns(path, names)
    index_path = folder / INDEX_FILE
    (index,) = _read_columns(index_path, ("index",))
    if len({len(u), len(v), len(charts)}) > 1:
        raise ResultsError(
            f"{path}: U_subdiv has {len(u)} vertices, V_subdiv {len(v)}, Part_ID_subdiv {len(charts)}; "
            "take the owner's file"
        )
    if len(index) != len(u):
        raise ResultsError(
            f"{index_path}: index has {len(index)} vertices, but {CHARTS_FILE} {len(u)}; take files of one mesh"
        )
    if not np.isin(charts, np.arange(1, NUM_CHARTS + 1)).all():
        raise ResultsError(f"{path}: Part_ID_subdiv: expected charts 1 to {NUM_CHARTS}; take the owner's file")
    lacking = sorted(set(range(1, NUM_CHARTS + 1)) - set(charts.astype(int).tolist()))
    if lacking:
        raise ResultsError(f"{path}: Part_ID_subdiv: no vertex of chart {lacking[0]}; take the owner's file")
    distances = _read_distances(folder / DISTANCES_FILE)
    count = _count_vertices(len(distances), folder / DISTANCES_FILE)
    if not ((index == index.round()) & (index >= 1) & (index <= count)).all():
        raise ResultsError(
            f"{index_path}: index: expected vertices 1 to {count}, as {DISTANCES_FILE} has; "
            "take files of one mesh"
        )
    if index.max() < count:
        _log.warning(
            "%s: index: vertices up to %d, but %s has %d; are the files of one mesh? else numbers are wrong",
            *(index_path, index.max(), DISTANCES_FILE, count),
        )
    uv = np.stack([u, v], axis=1)
    return BodyMesh(charts.astype(np.int64), uv, index.astype(np.int64) - 1, distances, str(folder))


def _check_files(folder: Path, option: str) -> None:
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder; give that of the mesh files with {option}, or {MADE}")
    for name in (CHARTS_FILE, INDEX_FILE, DISTANCES_FILE):
        if (folder / name).is_file():
            continue
        if name == DISTANCES_FILE and (folder / _OLD_DISTANCES_FILE).is_file():
            raise ResultsError(
                f"{folder / _OLD_DISTANCES_FILE}: the old form (HDF5), not read; take the owner's {name}"
            )
        raise ResultsError(f"{folder / name}: no such file; put the owner's {name} into the folder of {option}")


def _read_columns(path: Path, names: tuple[str, ...]) -> list[Numbers]:
    content = read_mat(path, names)
    columns = []
    for name in names:
        values = content.get(name)
        if (
            not isinstance(values, np.ndarray)
            or values.dtype.kind not in "iuf"
            or values.size != max(values.shape)
        ):
            raise ResultsError(f"{path}: no column of numbers {name}; take the owner's file")
        column = values.reshape(-1).astype(np.float64)
        if not np.isfinite(column).all():
            raise ResultsError(f"{path}: {name}: NaN or infinity; take the owner's file")
        columns.append(column)
    return columns


def _read_distances(path: Path) -> npt.NDArray[Any]:
    with path.open("rb") as file:
        start = file.read(10)
    if start.startswith((b"\x89HDF", b"MATLAB 7.3")):
        raise ResultsError(f"{path}: HDF5, which is not read; take the owner's {DISTANCES_FILE}")
    try:
        content = read_pickle(path, find_array_cache)
    except RefusedPickleError as error:
        raise ResultsError(f"{path}: {error}; take the owner's {DISTANCES_FILE}") from error
    except OSError as error:
        place = error.filename or path
        raise ResultsError(
            f"{place}: {(error.strerror or str(error)).lower()}; free space or check the path"
        ) from error
    values = content.get(_DISTANCES_NAME) if isinstance(content, dict) else None
    if (
        not isinstance(values, np.ndarray)
        or values.dtype.kind != "f"
        or values.size != max(values.shape, default=0)
    ):
        raise ResultsError(f"{path}: no column of distances {_DISTANCES_NAME}; take the owner's file")
    return values.reshape(-1)


def _count_vertices(num_pairs: int, path: Path) -> int:
    count = (1 + math.isqrt(1 + 8 * num_pairs)) // 2
    if count * (count - 1) // 2 != num_pairs:
        raise ResultsError(
            f"{path}: {num_pairs} distances, which are not those of all pairs of some vertices; is it whole?"
        )
    return count
