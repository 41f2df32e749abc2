"""The pack of bodies: MakeHuman's CC0 mesh, bones, shapes, poses and garments, read and checked.

Lengths are decimetres; at rest a person stands upright, y up, faces +z and has the left arm at +x.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from scipy import sparse

from posetrack.skeleton import COCO_17
from synthesis.errors import SynthesisError

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

SURFACES = ("body", "tights", "skirt", "hair", "eye_left", "eye_right")
"""The meshes on the pack's vertices: the body, shells that follow it, and the eyeballs."""
FILES = ("body.npz", "bones.json", "keypoints.json", "targets.npz", "poses.npz", "clothes.npz")


@dataclass(frozen=True, eq=False)
class Garment:
    """A garment of n vertices, each of which follows three vertices of the body.

    Attributes:
        quads: (Q, 4) vertices; a triangle has its third one twice.
        follow: (n, N) sparse, the body's vertices to the garment's.
        offsets: (n, 3), added to those, scaled along each axis by how the body has grown.
        scale_vertices: (3, 2), the two vertices of the body between which each axis is measured.
        scale_lengths: (3,), what is measured where the scale is 1; 0 for no scaling.
        hidden: Vertices of the body that it hides.
    """

    quads: Integers
    follow: sparse.csr_matrix
    offsets: Floats
    scale_vertices: Integers
    scale_lengths: Floats
    hidden: Integers

    def fit(self, vertices: Floats) -> Floats:
        """Vertices of the garment on a body at rest."""
        scales = np.ones(3, np.float32)
        for axis, ((a, b), length) in enumerate(zip(self.scale_vertices, self.scale_lengths, strict=True)):
            if length:
                scales[axis] = abs(vertices[a, axis] - vertices[b, axis]) / length
        return self.follow @ vertices + self.offsets * scales


@dataclass(frozen=True, eq=False)
class Pack:
    """Bodies of N vertices and B bones.

    Attributes:
        vertices: (N, 3), the body at rest that shapes are offsets to.
        quads: Quads of each of `SURFACES`.
        bone_names: Names of the bones, parents first.
        bone_parents: (B,), -1 for the root.
        bone_heads: (B, N) sparse, vertices to the points that bones turn about.
        skin: (N, B) sparse, weights of the bones for each vertex.
        keypoints: (17, N) sparse, vertices to keypoints.
        target_names: Names of T shapes.
        target_offsets: (T, 3 N), what each adds to the vertices.
        poses: (B, 3) rotation vectors of the bones by pose.
        garments: Garments by name.
        checksum: Of all files.
    """

    vertices: Floats
    quads: Mapping[str, Integers]
    bone_names: tuple[str, ...]
    bone_parents: Integers
    bone_heads: sparse.csr_matrix
    skin: sparse.csr_matrix
    keypoints: sparse.csr_matrix
    target_names: tuple[str, ...]
    target_offsets: Floats
    poses: Mapping[str, Floats]
    garments: Mapping[str, Garment]
    checksum: int

    def find_bone(self, name: str) -> int:
        """Number of a bone."""
        return self.bone_names.index(name)

    def find_head(self, name: str) -> Floats:
        """Where a bone's head is on the body at rest, (3,)."""
        return np.asarray(self.bone_heads[self.find_bone(name)] @ self.vertices)[0]


def read_pack(folder: Path) -> Pack:
    """Read a pack.

    Raises:
        SynthesisError: A file is missing or damaged, or what is in it does not fit together.
    """
    if not folder.is_dir():
        raise SynthesisError(f"{folder}: no such folder of bodies; give MakeHuman's pack with --data")
    checksum = 0
    for name in FILES:
        try:
            checksum = zlib.crc32((folder / name).read_bytes(), checksum)
        except OSError as error:
            raise SynthesisError(
                f"{folder / name}: {error.strerror}; the pack of bodies has {', '.join(FILES)}: copy it again"
            ) from error
    body, targets, poses, clothes = (
        _read_file(folder / name, _read_arrays)
        for name in ("body.npz", "targets.npz", "poses.npz", "clothes.npz")
    )
    bones, keypoints = (_read_file(folder / name, _read_json) for name in ("bones.json", "keypoints.json"))
    vertices = _read_file(folder / "body.npz", lambda path: _check_vertices(body["vertices"]))
    names = tuple(_read_file(folder / "bones.json", lambda path: [str(bone["name"]) for bone in bones]))
    rows = _read_file(folder / "bones.json", lambda path: [bone["head_vertices"] for bone in bones])
    heads = _read_file(folder / "bones.json", lambda path: _average(rows, len(vertices)))
    return Pack(
        vertices=vertices,
        quads=_read_file(folder / "body.npz", lambda path: _read_quads(body, len(vertices))),
        bone_names=names,
        bone_parents=_read_file(folder / "bones.json", lambda path: _read_parents(bones)),
        bone_heads=heads,
        skin=_read_file(folder / "body.npz", lambda path: _read_skin(body, len(vertices), len(names))),
        keypoints=_read_file(
            folder / "keypoints.json", lambda path: _find_keypoints(keypoints, names, rows, len(vertices))
        ),
        target_names=tuple(name[2:] for name in targets if name.startswith("o:")),
        target_offsets=_read_file(folder / "targets.npz", lambda path: _read_targets(targets, len(vertices))),
        poses=_read_file(folder / "poses.npz", lambda path: _read_poses(poses, names)),
        garments=_read_file(folder / "clothes.npz", lambda path: _read_garments(clothes, len(vertices))),
        checksum=checksum,
    )


def _read_file(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except (
        OSError,
        EOFError,
        BadZipFile,
        zlib.error,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SynthesisError(f"{path}: damaged ({reason:.80}); copy the pack of bodies again") from error


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    # numpy leaves a damaged file open.
    with path.open("rb") as opened, np.load(opened) as file:
        return {name: file[name] for name in file.files}


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _check_vertices(vertices: npt.NDArray[Any]) -> Floats:
    if vertices.ndim != 2 or vertices.shape[1] != 3 or not np.isfinite(vertices).all():
        raise ValueError("vertices are not finite points")
    return vertices.astype(np.float32)


def _check_range(indices: npt.NDArray[Any], count: int) -> Integers:
    if indices.size and not 0 <= indices.min() <= indices.max() < count:
        raise ValueError(f"numbers beyond 0..{count - 1}")
    return indices.astype(np.int64)


def _read_quads(body: Mapping[str, npt.NDArray[Any]], count: int) -> dict[str, Integers]:
    return {name: _check_range(body[f"faces_{name}"].reshape(-1, 4), count) for name in SURFACES}


def _read_parents(bones: list[dict[str, Any]]) -> Integers:
    parents = np.array([bone["parent"] for bone in bones], np.int64)
    if (parents >= np.arange(len(parents))).any() or parents.min() < -1:
        raise ValueError("a bone comes before its parent")
    return parents


def _average(rows: list[list[int]], count: int) -> sparse.csr_matrix:
    columns = _check_range(np.concatenate([np.asarray(row) for row in rows]), count)
    lengths = np.array([len(row) for row in rows])
    values = np.repeat(1 / lengths, lengths).astype(np.float32)
    return sparse.csr_matrix((values, columns, np.concatenate([[0], lengths.cumsum()])), (len(rows), count))


def _read_skin(body: Mapping[str, npt.NDArray[Any]], count: int, num_bones: int) -> sparse.csr_matrix:
    bones, weights = _check_range(body["weight_bones"], num_bones), body["weights"].astype(np.float32)
    if bones.shape != weights.shape or len(bones) != count or not (weights.sum(1) > 0).all():
        raise ValueError("weights that do not fit the vertices")
    weights = weights / weights.sum(1, keepdims=True)
    rows = np.repeat(np.arange(count), bones.shape[1])
    return sparse.csr_matrix((weights.ravel(), (rows, bones.ravel())), (count, num_bones))


def _find_keypoints(
    places: Mapping[str, Any], names: tuple[str, ...], heads: list[list[int]], count: int
) -> sparse.csr_matrix:
    rows = [
        places[name]["vertices"] if "vertices" in places[name] else heads[names.index(places[name]["bone"])]
        for name in COCO_17.names
    ]
    return _average(rows, count)


def _read_targets(targets: Mapping[str, npt.NDArray[Any]], count: int) -> Floats:
    names = [name[2:] for name in targets if name.startswith("o:")]
    offsets = np.zeros((len(names), count, 3), np.float32)
    for row, name in zip(offsets, names, strict=True):
        row[_check_range(targets[f"i:{name}"], count)] = targets[f"o:{name}"] * np.float32(1e-3)
    return offsets.reshape(len(names), -1)


def _read_poses(poses: Mapping[str, npt.NDArray[Any]], names: tuple[str, ...]) -> dict[str, Floats]:
    order = [list(poses["bone_names"]).index(name) for name in names]
    found = {name: pose[order].astype(np.float32) for name, pose in poses.items() if name != "bone_names"}
    if not found or not all(np.isfinite(pose).all() for pose in found.values()):
        raise ValueError("no poses, or some that are not finite")
    return found


def _read_garments(clothes: Mapping[str, npt.NDArray[Any]], count: int) -> dict[str, Garment]:
    garments = {}
    for name in sorted({key.split(":")[0] for key in clothes}):
        get = {
            key: clothes[f"{name}:{key}"] for key in ("faces", "ref", "weights", "offsets", "hidden_vertices")
        }
        follow = _check_range(get["ref"], count)
        size = len(follow)
        rows = np.repeat(np.arange(size), 3)
        garments[name] = Garment(
            quads=_check_range(get["faces"], size),
            follow=sparse.csr_matrix(
                (get["weights"].astype(np.float32).ravel(), (rows, follow.ravel())), (size, count)
            ),
            offsets=get["offsets"].astype(np.float32).reshape(size, 3),
            scale_vertices=_check_range(clothes[f"{name}:scale_vertices"], count).reshape(3, 2),
            scale_lengths=clothes[f"{name}:scale_lengths"].astype(np.float32).reshape(3),
            hidden=_check_range(get["hidden_vertices"], count),
        )
    return garments
