"""Things of Sweet Home 3D's furniture libraries (`.sh3f`), drawn with transparency around them.

A library is a zip file with models in OBJ's format and `PluginFurnitureCatalog.properties`, which names them.
Debian's package `sweethome3d-furniture` brings five, under CC BY 3.0 and CC0.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from synthesis.embree import open_scene
from synthesis.errors import SynthesisError
from synthesis.pack import Floats, Integers

_CATALOG = "PluginFurnitureCatalog.properties"
_MOST_BYTES = 8_000_000
_NOBODY = re.compile(
    r"\b((fe)?male|man|woman|boy|girl|child|doll|suit|snowman|skeleton|mannequin|statue|frame)$", re.IGNORECASE
)
"""Names of what looks like people, or may show some."""
_FLAT = re.compile(r"door|floor|wall$|swimming|carpet|rug$|sidewalk", re.IGNORECASE)
"""Names of what is background rather than a thing."""
_PEOPLE, _OPENINGS = "Characters", "Doors and windows"
_PLAIN = (0.6, 0.6, 0.6)


@dataclass(frozen=True)
class Piece:
    """A thing of a library.

    Attributes:
        library: The file.
        member: Its model in it.
        name: What it is, such as `Desk lamp`.
        category: Such as `Lights`.
    """

    library: Path
    member: str
    name: str
    category: str


@dataclass(frozen=True, eq=False)
class Model:
    """F triangles with M materials.

    Attributes:
        corners: (F, 3, 3), y up, the box's middle at 0 and its diagonal 1 long.
        places_uv: (F, 3, 2) in the material's image.
        materials: (F,).
        colours: (M, 3) RGB, 0..1.
        images: M images (H, W, 3) RGB in place of the colours, or None.
    """

    corners: Floats
    places_uv: Floats
    materials: Integers
    colours: Floats
    images: tuple[npt.NDArray[np.uint8] | None, ...]


def list_pieces(libraries: Sequence[Path]) -> list[Piece]:
    """What is in libraries, less what looks like people.

    Raises:
        SynthesisError: A file is no library, or there is nothing in it.
    """
    pieces = [piece for path in libraries for piece in _list_library(path)]
    if not pieces:
        raise SynthesisError("--furniture: nothing to draw; give libraries of Sweet Home 3D (.sh3f)")
    return pieces


@cache
def read_model(piece: Piece) -> Model:
    """Read a thing's model, once.

    Raises:
        SynthesisError: It is damaged.
    """
    try:
        with zipfile.ZipFile(piece.library) as library:
            return _read_obj(library, piece.member)
    except (OSError, KeyError, ValueError, IndexError, zipfile.BadZipFile) as error:
        raise SynthesisError(
            f"{piece.library}: {piece.member} cannot be read ({error!r:.60}); get the file again"
        ) from error


def draw_piece(rng: np.random.Generator, model: Model, longest_px: int) -> npt.NDArray[np.uint8]:
    """Draw a thing, turned at random and lit by one light.

    Args:
        rng: Draws the view, the light and the tint.
        model: The thing.
        longest_px: Longest side of what is drawn.

    Returns:
        (H, W, 4) blue, green, red and opacity.
    """
    turn, pitch, distance = rng.uniform((0, -0.14, 1.3), (2 * np.pi, 0.6, 3.0))
    away = np.array([np.cos(pitch) * np.sin(turn), np.sin(pitch), np.cos(pitch) * np.cos(turn)])
    right = np.cross(-away, (0, 1, 0))
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(right, -away), -away])
    # Twice as many rays each way, whose mean is a pixel.
    directions, size_wh = _aim(model, axes, away * distance, 2 * longest_px)
    triangles, weights, normals = _cast(model, away * distance, directions)
    is_hit = triangles >= 0
    # Surfaces have no sides: what is seen faces the camera.
    normals *= np.sign(-(normals * directions).sum(1, keepdims=True))
    light = rng.normal(size=3) + 0.7 * away
    light[1] = abs(light[1]) + 0.4
    ambient, tint = rng.uniform(0.35, 0.65), rng.uniform(0.9, 1.2, 3)
    shade = ambient + (1 - ambient) * np.clip(normals @ (light / np.linalg.norm(light)), 0, 1)
    colours = _colour(model, triangles, weights) * shade[:, None] * tint
    drawn = np.concatenate([colours * is_hit[:, None], is_hit[:, None]], 1).clip(0, 1)
    half_wh = max(1, size_wh[0] // 2), max(1, size_wh[1] // 2)
    small = cv2.resize(
        drawn.reshape(size_wh[1], size_wh[0], 4).astype(np.float32), half_wh, interpolation=cv2.INTER_AREA
    )
    small[..., :3] /= np.maximum(small[..., 3:], 1e-3)
    return np.asarray(small[..., [2, 1, 0, 3]].clip(0, 1) * 255, np.uint8)


def _list_library(path: Path) -> list[Piece]:
    try:
        with zipfile.ZipFile(path) as library:
            text = library.read(_CATALOG).decode("latin-1")
            sizes = {member.filename: member.file_size for member in library.infolist()}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SynthesisError(f"{path}: no library of Sweet Home 3D ({error!r:.60})") from error
    columns = {
        field: dict(re.findall(rf"^{field}#(\d+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
        for field in ("name", "category", "model")
    }
    pieces = []
    for number, name in columns["name"].items():
        category = columns["category"].get(number, "")
        member = columns["model"].get(number, "").lstrip("/")
        is_taken = category not in (_PEOPLE, _OPENINGS) and not _NOBODY.search(name) and not _FLAT.search(name)
        if is_taken and 0 < sizes.get(member, 0) <= _MOST_BYTES:
            pieces.append(Piece(path, member, name, category))
    return pieces


def _read_obj(library: zipfile.ZipFile, member: str) -> Model:
    vertices: list[list[str]] = []
    places: list[list[str]] = []
    faces: list[list[tuple[int, int]]] = []
    materials: list[int] = []
    names: list[str] = [""]
    files: list[str] = []
    for line in library.read(member).decode("latin-1").splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append(words[:3])
        elif kind == "vt":
            places.append(words[:2])
        elif kind == "mtllib":
            files.append(" ".join(words))
        elif kind == "usemtl":
            name = " ".join(words)
            if name not in names:
                names.append(name)
            material = names.index(name)
        elif kind == "f":
            corners = [_read_corner(word, len(vertices), len(places)) for word in words]
            faces += [[corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1)]
            materials += [material if len(names) > 1 else 0] * (len(corners) - 2)
    points = np.array(vertices, np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - (low + high) / 2) / max(float(np.linalg.norm(high - low)), 1e-9)
    index = np.array(faces, np.int64).reshape(-1, 3, 2)
    # The last is for corners without one.
    spots = np.array([*places, (0, 0)], np.float32)
    colours, images = _read_materials(library, posixpath.dirname(member), files)
    return Model(
        points[index[..., 0]],
        spots[index[..., 1]],
        np.array(materials, np.int64),
        np.array([colours.get(name, _PLAIN) for name in names], np.float32),
        tuple(images.get(name) for name in names),
    )


def _read_corner(word: str, num_vertices: int, num_places: int) -> tuple[int, int]:
    """The vertex and the place of `vertex/place/normal`, which count from 1, or backwards; -1 is no place."""
    vertex, place, *_ = [*word.split("/"), "", ""]
    numbers = int(vertex), int(place or 0)
    return (
        numbers[0] - 1 if numbers[0] > 0 else num_vertices + numbers[0],
        numbers[1] - 1 if numbers[1] >= 0 else num_places + numbers[1],
    )


def _read_materials(
    library: zipfile.ZipFile, folder: str, files: Sequence[str]
) -> tuple[dict[str, tuple[float, ...]], dict[str, npt.NDArray[np.uint8]]]:
    """Colours, RGB of 0..1, and images of materials by name; what is missing is left out."""
    members = set(library.namelist())
    colours: dict[str, tuple[float, ...]] = {}
    images: dict[str, npt.NDArray[np.uint8]] = {}
    for file in files:
        path = posixpath.normpath(posixpath.join(folder, file))
        name = ""
        for line in library.read(path).decode("latin-1").splitlines() if path in members else ():
            kind, *words = line.split() or [""]
            if kind == "newmtl":
                name = " ".join(words)
            elif kind == "Kd":
                colours[name] = tuple(float(word) for word in words[:3])
            elif kind == "map_Kd" and words:
                image = posixpath.normpath(posixpath.join(folder, words[-1]))
                content = np.frombuffer(library.read(image), np.uint8) if image in members else np.empty(0)
                decoded: Any = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
                if decoded is not None:
                    images[name] = decoded[..., ::-1]
    return colours, images


def _aim(model: Model, axes: Floats, origin: Floats, longest: int) -> tuple[Floats, tuple[int, int]]:
    """Directions of rays that cover a thing just so, and how many there are each way."""
    seen = (model.corners.reshape(-1, 3) - origin) @ axes.T
    flat = seen[:, :2] / seen[:, 2:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    step = max(float((high - low).max()), 1e-6) / longest
    width, height = (max(2, int(count)) for count in np.ceil((high - low) / step))
    x, y = np.meshgrid(low[0] + step * (np.arange(width) + 0.5), high[1] - step * (np.arange(height) + 0.5))
    directions = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3) @ axes
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions.astype(np.float32), (width, height)


def _cast(model: Model, origin: Floats, directions: Floats) -> tuple[Integers, Floats, Floats]:
    """Triangles that rays hit (R,), -1 for none, the weights of their corners (R, 3), and normals (R, 3)."""
    scene = open_scene(model.corners)
    origins = np.ascontiguousarray(np.broadcast_to(origin, directions.shape), np.float32)
    found = scene.run(origins, np.ascontiguousarray(directions), query="INTERSECT", output=True)
    u, v, normals = found["u"], found["v"], found["Ng"]
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return found["primID"].astype(np.int64), np.stack([1 - u - v, u, v], 1), normals


def _colour(model: Model, triangles: Integers, weights: Floats) -> Floats:
    """Colours (R, 3) of what rays have hit, RGB of 0..1."""
    materials = model.materials[triangles]
    colours = model.colours[materials]
    for material, image in enumerate(model.images):
        rows = np.flatnonzero((materials == material) & (triangles >= 0))
        if image is None or not len(rows):
            continue
        height, width = image.shape[:2]
        u, v = (model.places_uv[triangles[rows]] * weights[rows][..., None]).sum(1).T
        x = np.minimum((u % 1) * width, width - 1).astype(int)
        y = np.minimum(((1 - v) % 1) * height, height - 1).astype(int)
        colours[rows] = image[y, x] / 255
    return np.asarray(colours, np.float32)
