"""Make the body mesh that comes with the package, `posetrack/made_mesh.npz`, from MakeHuman's CC0 body.

    python scripts/make_made_mesh.py FOLDER [--out posetrack/made_mesh.npz] [--samples 1050]

FOLDER holds `body.npz` (`vertices`, `faces_body`, `mirror_vertex`: MakeHuman's base.obj) and `bones.json` (its
default rig: name, `head_vertices`, `tail_vertices` of each bone). The same input gives the same file. In turn:
`made_mesh/segments.py` parts the surface in charts, `layouts.py`, `hands.py` and `unfold.py` give them their
coordinates, `samples.py` measures distances. What the file holds says `posetrack/made_mesh.py`, which reads it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from made_mesh.atlas import Atlas, join_pieces, lay_charts
from made_mesh.body import Body, read_body
from made_mesh.samples import Samples, measure_samples
from made_mesh.segments import assign_charts

from posetrack.made_mesh import PATH, UNIT_M, pack_distances
from posetrack.outputs import make_part

# GPS' scales are in metres on the owner's body, which is about this high.
_HEIGHT_M = 1.7
_NO_ROW = 65535


def make_content(body: Body, atlas: Atlas, samples: Samples) -> dict[str, np.ndarray]:
    """Make the arrays of the file."""
    height = np.ptp(body.vertices[np.unique(body.faces), 1])
    steps = _HEIGHT_M / height / UNIT_M
    count = len(samples.is_middle)
    # Samples in the middle are no mirror images of their own; the mirrored ones come after all others.
    mirrored = count + np.cumsum(~samples.is_middle) - 1
    numbers = np.concatenate([np.arange(count), np.where(samples.is_middle, np.arange(count), mirrored)])
    return {
        "charts": atlas.charts.astype(np.uint8),
        "uv": atlas.uv.astype(np.float32),
        "mirror": atlas.mirror.astype(np.uint16),
        "face_rows": np.where(atlas.face_rows < 0, _NO_ROW, atlas.face_rows).astype(np.uint16),
        "samples": numbers[samples.closest[atlas.vertices]].astype(np.uint16),
        "is_middle": samples.is_middle,
        "same_side": pack_distances(np.rint(samples.same_side * steps)),
        "other_side": pack_distances(np.rint(samples.other_side * steps)),
        "eye_uv": atlas.eye_uv.astype(np.float32),
    }


def main() -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=PATH)
    parser.add_argument("--samples", type=int, default=1050, help="on the left half and in the middle")
    chosen = parser.parse_args()
    if chosen.samples < 2:
        parser.error(f"--samples {chosen.samples}: give 2 or more")
    try:
        body = read_body(chosen.folder)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        parser.error(
            f"{chosen.folder}: not MakeHuman's body ({error}); give the folder of body.npz and bones.json"
        )
    charts = assign_charts(body).astype(np.int64)
    pieces, eye_uv = lay_charts(body, charts)
    content = make_content(
        body, join_pieces(body, pieces, eye_uv), measure_samples(body, charts, chosen.samples)
    )
    part = make_part(chosen.out)
    with part.open("wb") as file:
        np.savez_compressed(file, **content)
    part.replace(chosen.out)
    print(f"{chosen.out}: {chosen.out.stat().st_size} bytes, {len(content['charts'])} vertices of charts")


if __name__ == "__main__":
    main()
