"""The charts of the body's surface, for each quad of the pack's body."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from models.densepose.parts import NUM_CHARTS
from posetrack.made_mesh import read_made_mesh
from synthesis.errors import SynthesisError
from synthesis.pack import Floats


@dataclass(frozen=True, eq=False)
class BodyCharts:
    """An atlas on the Q quads of a body.

    Attributes:
        face_charts: (Q,) 1..24; 0 is no outside: the mouth's inside, the sockets of the eyes.
        corner_uv: (Q, 4, 2) coordinates of each corner in its quad's chart, 0..1.
    """

    face_charts: npt.NDArray[np.uint8]
    corner_uv: Floats


def read_charts(num_quads: int, path: Path | None = None) -> BodyCharts:
    """Read an atlas: PoseTrack's own, or a file of arrays `face_charts` and `corner_uv`.

    Args:
        num_quads: Of the body that it must be of.
        path: The file.

    Raises:
        PoseTrackError: It cannot be read, is no atlas, or that of another body.
    """
    mesh = read_made_mesh() if path is None else _read_file(path)
    if len(mesh.face_charts) != num_quads:
        raise SynthesisError(
            f"the atlas has {len(mesh.face_charts)} quads, but the body {num_quads}; "
            "give the atlas of this body with --atlas, or the body of this atlas with --data"
        )
    return BodyCharts(mesh.face_charts, mesh.corner_uv)


def _read_file(path: Path) -> BodyCharts:
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            charts, corners = file["face_charts"], file["corner_uv"].astype(np.float32)
    except (OSError, EOFError, BadZipFile, ValueError, KeyError) as error:
        raise SynthesisError(f"{path}: no atlas of a body ({error}); give another --atlas") from error
    is_valid = charts.ndim == 1 and charts.dtype.kind in "iu" and corners.shape == (len(charts), 4, 2)
    if not is_valid or not ((charts >= 0) & (charts <= NUM_CHARTS)).all() or not np.isfinite(corners).all():
        raise SynthesisError(f"{path}: not an atlas of quads in {NUM_CHARTS} charts; give another --atlas")
    return BodyCharts(charts.astype(np.uint8), corners.clip(0, 1))
