"""Mirroring of dense annotations and outputs.

A mirrored image shows another chart, whose u and v at the same place of the body follow from the mesh. For the
data set owner's mesh, a table has them for each chart on a lattice of 256 x 256: the row is 255 v, the column
255 u, both truncated, of the chart before. Source: detectron2's DensePose; the file is
`UV_symmetry_transforms.mat` of the annotations. PoseTrack's own charts need no table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.data.mat_files import read_mat
from models.data.samples import FloatArray
from models.densepose.annotations import MASK_SIDE
from models.densepose.parts import CHART_MIRROR, MADE, MASK_MIRROR, NUM_CHARTS
from models.training.errors import DataError

_LATTICE = 256
_LAST = 255
# How far numbers may be beyond 0..1: less than a place of the lattice.
_ROUNDING = 1e-3
_FIELDS = ("U_transforms", "V_transforms")
_CHART_MIRROR = np.array(CHART_MIRROR, np.uint8)
_MASK_MIRROR = np.array(MASK_MIRROR, np.uint8)
# Charts that are their own mirror image.
_IS_WHOLE = np.array([chart == mirror for chart, mirror in enumerate(CHART_MIRROR)][1:])


class Symmetry(ABC):
    """How charts and coordinates of a mesh change in the mirrored image."""

    @abstractmethod
    def map_points(self, charts: npt.NDArray[np.uint8], coordinates_uv: FloatArray) -> FloatArray:
        """Coordinates (P, 2) of mirrored points.

        Args:
            charts: (P,) 1..24 before.
            coordinates_uv: (P, 2) before, in 0..1.
        """

    @abstractmethod
    def map_outputs(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates of mirrored outputs, each (N, 24, Z, Z) by the chart before; given limited to 0..1."""

    def mirror_points(
        self, points_xy: FloatArray, charts: npt.NDArray[np.uint8], coordinates_uv: FloatArray
    ) -> tuple[FloatArray, npt.NDArray[np.uint8], FloatArray]:
        """Mirror annotated points of a person.

        Args:
            points_xy: (P, 2), in 0..256 over the person's box.
            charts: (P,), 1..24; 0 is a point on the background, whose coordinates stay.
            coordinates_uv: (P, 2), in 0..1.

        Returns:
            The same of the mirrored image.
        """
        mirrored = _mirror_points(points_xy)
        # Those of the background take any chart.
        found = self.map_points(np.maximum(charts, 1), coordinates_uv)
        return mirrored, _CHART_MIRROR[charts], np.where(charts[:, None] > 0, found, coordinates_uv)

    def mirror_outputs(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Mirror outputs of `models.densepose.heads.ChartPredictor`, such as those of a mirrored image.

        Args:
            outputs: `coarse` (N, 15 or 2, Z, Z), `fine`, `u` and `v` (N, 25, Z, Z); others are not mirrored.

        Returns:
            The four; coordinates are limited to 0..1 first.
        """
        flipped = {name: outputs[name].flip(-1) for name in ("coarse", "fine", "u", "v")}
        u, v = (flipped[name][:, 1:].clamp(0, 1) for name in ("u", "v"))
        for name, found in zip(("u", "v"), self.map_outputs(u, v), strict=True):
            flipped[name] = torch.cat([flipped[name][:, :1], found], dim=1)
        for name in ("fine", "u", "v"):
            flipped[name] = flipped[name][:, CHART_MIRROR]
        if flipped["coarse"].shape[1] == len(MASK_MIRROR):
            flipped["coarse"] = flipped["coarse"][:, MASK_MIRROR]
        return flipped


@dataclass(frozen=True, eq=False)
class SymmetryTable(Symmetry):
    """The symmetry of the data set owner's mesh.

    Attributes:
        tables: (2, 24, 256, 256) float32, u and v: the chart before, its v, its u.
    """

    tables: FloatArray

    def map_points(self, charts: npt.NDArray[np.uint8], coordinates_uv: FloatArray) -> FloatArray:
        """Look coordinates up; see `Symmetry`."""
        columns, rows = (coordinates_uv * np.float32(_LAST)).astype(np.int64).T
        return self.tables[:, charts - 1, rows, columns].T

    def map_outputs(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Look coordinates up; see `Symmetry`."""
        columns, rows = ((each * _LAST).long() for each in (u, v))
        of_u, of_v = torch.from_numpy(self.tables).to(u.device)
        charts = torch.arange(NUM_CHARTS, device=u.device)[None, :, None, None]
        return of_u[charts, rows, columns].to(u), of_v[charts, rows, columns].to(v)


class MadeSymmetry(Symmetry):
    """The symmetry of PoseTrack's own charts.

    Mirrored places have equal coordinates in mirrored charts; in a chart that is its own mirror image, u and
    1 - u.
    """

    def map_points(self, charts: npt.NDArray[np.uint8], coordinates_uv: FloatArray) -> FloatArray:
        """Turn u around in whole charts; see `Symmetry`."""
        u, v = coordinates_uv.T
        return np.stack([np.where(_IS_WHOLE[charts - 1], 1 - u, u), v], axis=1)

    def map_outputs(self, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Turn u around in whole charts; see `Symmetry`."""
        is_whole = torch.from_numpy(_IS_WHOLE).to(u.device)[None, :, None, None]
        return torch.where(is_whole, 1 - u, u), v


def mirror_limbs(
    points_xy: FloatArray, parts: npt.NDArray[np.uint8]
) -> tuple[FloatArray, npt.NDArray[np.uint8]]:
    """Mirror points (P, 2), in 0..256 over the person's box, with coarse parts (P,)."""
    return _mirror_points(points_xy), _MASK_MIRROR[parts]


def mirror_mask(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Mirror a person's coarse parts (H, W)."""
    return _MASK_MIRROR[mask[:, ::-1]]


def _mirror_points(points_xy: FloatArray) -> FloatArray:
    return points_xy * np.array([-1, 1], np.float32) + np.array([MASK_SIDE, 0], np.float32)


def choose_symmetry(name: str, folder: Path) -> Symmetry | None:
    """Find the symmetry that a recipe names.

    Args:
        name: `MADE`, a file as for `read_symmetry` (`./made` for one of that name), or nothing.
        folder: What the file is relative to.

    Raises:
        DataError: The file is missing, cannot be read, or has something else.
    """
    if name == MADE:
        return MadeSymmetry()
    return read_symmetry(folder / name) if name else None


def read_symmetry(path: Path) -> SymmetryTable:
    """Read the owner's `UV_symmetry_transforms.mat`.

    Args:
        path: With the cells `U_transforms` and `V_transforms`, (1, 24), each of 256 x 256 numbers in 0..1.

    Raises:
        DataError: It is missing, cannot be read, or has something else.
    """
    if not path.exists():
        raise DataError(
            f"{path}: no such file; get UV_symmetry_transforms.mat from the data set's owner, say "
            f"{MADE} for people on PoseTrack's own mesh, or take data.symmetry out of the recipe to train "
            "without mirrored images"
        )
    content = read_mat(path, _FIELDS)
    return SymmetryTable(np.stack([_take_cells(content, name, path) for name in _FIELDS]))


def _take_cells(content: Mapping[str, Any], name: str, path: Path) -> FloatArray:
    cells = content.get(name)
    if cells is None or cells.size != NUM_CHARTS:
        found = "is missing" if cells is None else f"has {cells.size} cells, not {NUM_CHARTS}"
        raise DataError(f"{path}: {name} {found}; is it UV_symmetry_transforms.mat?")
    tables = np.empty((NUM_CHARTS, _LATTICE, _LATTICE), np.float32)
    for i, cell in enumerate(cells.ravel()):
        where = f"{path}: {name}, cell {i + 1}"
        table = np.asarray(cell)
        if table.shape != (_LATTICE, _LATTICE) or table.dtype.kind not in "fiu":
            raise DataError(f"{where}: expected {_LATTICE} x {_LATTICE} numbers, found {table.shape}")
        if not ((table >= -_ROUNDING) & (table <= 1 + _ROUNDING)).all():
            raise DataError(f"{where}: expected numbers in 0..1; is it UV_symmetry_transforms.mat?")
        tables[i] = table
    return tables
