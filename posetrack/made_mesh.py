"""The body mesh that comes with PoseTrack: 24 charts with coordinates on MakeHuman's body, and distances on it.

The charts have the numbers and places of DensePose's, but coordinates of their own, which `docs/densepose.md`
describes. Mirrored places have equal coordinates in mirrored charts, and
u and 1 - u in those of the torso. `scripts/make_made_mesh.py` makes the file.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.densepose.parts import NUM_CHARTS
from posetrack.errors import PoseTrackError

PATH = Path(__file__).with_suffix(".npz")
"""The file."""
UNIT_M = 0.0005
"""The step of distances."""

_NO_ROW = 65535
_KINDS = {
    "charts": "u",
    "uv": "f",
    "mirror": "u",
    "face_rows": "u",
    "samples": "u",
    "is_middle": "b",
    "same_side": "iu",
    "other_side": "iu",
    "eye_uv": "f",
}


@dataclass(frozen=True, eq=False)
class MadeMesh:
    """The mesh: R rows, a vertex of the body once for each chart that it is in and each side of a cut.

    Attributes:
        charts: (R,) uint8, 1..24.
        uv: (R, 2) float32 in 0..1.
        mirror: (R,) the row of the same place on the body's other side.
        face_rows: (13378, 4) rows of the corners of MakeHuman's quads, in its order; -1 for those inside the
            mouth and behind the eyes.
        samples: (R,) of each row the closest of the N samples.
        sample_mirror: (N,) the sample of the same place on the other side.
        distances_m: (N, N) float32 along the surface between samples, on a body of 1.7 m.
        eye_uv: (2,) of the middle of an eye, in the charts of the head.
    """

    charts: npt.NDArray[np.uint8]
    uv: npt.NDArray[np.float32]
    mirror: npt.NDArray[np.int64]
    face_rows: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]
    sample_mirror: npt.NDArray[np.int64]
    distances_m: npt.NDArray[np.float32]
    eye_uv: npt.NDArray[np.float32]

    @property
    def face_charts(self) -> npt.NDArray[np.uint8]:
        """(13378,) chart of each quad, 0 for those without."""
        return np.where(self.face_rows[:, 0] < 0, 0, self.charts[self.face_rows[:, 0]]).astype(np.uint8)

    @property
    def corner_uv(self) -> npt.NDArray[np.float32]:
        """(13378, 4, 2) coordinates of the corners of each quad in its own chart; 0 for those without.

        In a quad they are those of its triangles of corners 0, 1, 2 and 0, 2, 3.
        """
        return np.where(self.face_rows[..., None] < 0, np.float32(0), self.uv[self.face_rows])


def read_made_mesh(path: Path = PATH) -> MadeMesh:
    """Read the mesh.

    Raises:
        PoseTrackError: The file is missing or damaged.
    """
    content = _read_arrays(path)
    try:
        return _unpack(content)
    except (ValueError, IndexError) as error:
        raise PoseTrackError(f"{path}: damaged ({error}); install PoseTrack again") from error


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            content = {name: file[name] for name in _KINDS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "damaged"
        raise PoseTrackError(f"{path}: {reason.lower()}; install PoseTrack again") from error
    for name, kinds in _KINDS.items():
        if content[name].dtype.kind not in kinds:
            raise PoseTrackError(f"{path}: {name}: {content[name].dtype}; install PoseTrack again")
    return content


def _unpack(content: dict[str, npt.NDArray[Any]]) -> MadeMesh:
    charts, uv, is_middle = content["charts"], content["uv"], content["is_middle"]
    rows, left = len(charts), len(is_middle)
    face_rows = content["face_rows"].astype(np.int64)
    face_rows[face_rows == _NO_ROW] = -1
    mirror, samples = (content[name].astype(np.int64) for name in ("mirror", "samples"))
    if (
        uv.shape != (rows, 2)
        or mirror.shape != (rows,)
        or samples.shape != (rows,)
        or face_rows.shape[1:] != (4,)
    ):
        raise ValueError("shapes of rows")
    if not ((charts >= 1) & (charts <= NUM_CHARTS)).all() or not ((uv >= 0) & (uv <= 1)).all():
        raise ValueError("charts or coordinates")
    same, other = (unpack_distances(content[name], left) for name in ("same_side", "other_side"))
    away = np.flatnonzero(~is_middle)
    partner = np.arange(left)
    partner[away] = left + np.arange(len(away))
    distances = np.block([[same, other[:, away]], [other[away], same[np.ix_(away, away)]]])
    if max(mirror.max(), face_rows.max()) >= rows or samples.max() >= len(distances):
        raise ValueError("rows or samples")
    return MadeMesh(
        charts,
        uv,
        mirror,
        face_rows,
        samples,
        np.concatenate([partner, away]),
        (distances * UNIT_M).astype(np.float32),
        content["eye_uv"],
    )


def pack_distances(steps: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Pack a symmetric matrix (L, L) of whole steps: the differences along its rows up to the diagonal."""
    differences = np.diff(steps.astype(np.int64), axis=1, prepend=0)
    packed = differences[np.tril_indices(len(steps))]
    if np.abs(packed).max(initial=0) > np.iinfo(np.int16).max:
        raise ValueError("steps are too far apart")
    return packed.astype(np.int16)


def unpack_distances(packed: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    """The matrix (count, count) that `pack_distances` has packed.

    Raises:
        ValueError: The number of values is another, or one is negative.
    """
    if packed.shape != (count * (count + 1) // 2,):
        raise ValueError(f"{packed.shape} distances of {count} samples")
    steps = np.zeros((count, count), np.int64)
    steps[np.tril_indices(count)] = packed
    steps = np.tril(steps.cumsum(axis=1))
    if steps.min(initial=0) < 0:
        raise ValueError("negative distances")
    return steps + np.tril(steps, -1).T
