"""Rays cast at a scene: what each pixel shows, what is in a light's way, and the colours that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from synthesis.embree import open_scene
from synthesis.looks import Look
from synthesis.meshes import Surface, join_surfaces
from synthesis.noise import sample_noise
from synthesis.pack import Floats, Integers
from synthesis.scenes import Light, Scene

_OFF_SURFACE_M = np.float32(0.004)
_AROUND = np.float32([[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]])
"""Where further rays go in a pixel at whose edge something else begins."""
_SHADOW_REACH_M = 4.0
_CONTRAST = 0.06


@dataclass(frozen=True, eq=False)
class Hits:
    """What rays have hit, for R of them; what has hit nothing has triangle -1.

    Attributes:
        triangles: (R,).
        weights: (R, 3), of the triangle's corners.
        depths: (R,) metres along the camera's axis; infinite without a hit.
    """

    triangles: Integers
    weights: Floats
    depths: Floats


class Caster:
    """The triangles of a scene, ready for rays.

    Attributes:
        surface: All triangles.
        owners: (F,), the person each belongs to, -1 for things.
        looks: The looks.
        look_index: (F,), which of them each has.
    """

    def __init__(self, parts: Sequence[tuple[Surface, Look, int]]) -> None:
        self.surface = join_surfaces([surface for surface, _, _ in parts])
        lengths = [len(surface) for surface, _, _ in parts]
        self.owners = np.repeat([owner for _, _, owner in parts], lengths)
        self.looks = [look for _, look, _ in parts]
        self.look_index = np.repeat(np.arange(len(parts)), lengths)
        self._scene = open_scene(self.surface.corners)

    def cast(self, origin: Floats, directions: Floats) -> Hits:
        """The first triangle along each ray from one point."""
        origins = np.ascontiguousarray(np.broadcast_to(origin, directions.shape), np.float32)
        found = self._scene.run(origins, np.ascontiguousarray(directions), query="INTERSECT", output=True)
        triangles = found["primID"].astype(np.int64)
        u, v = found["u"], found["v"]
        depths = np.where(triangles >= 0, found["tfar"], np.float32(np.inf))
        return Hits(triangles, np.stack([1 - u - v, u, v], 1), depths)

    def is_dark(self, points: Floats, towards: Floats) -> npt.NDArray[np.bool_]:
        """Whether something is in the way from points (M, 3) to a far light."""
        directions = np.ascontiguousarray(np.broadcast_to(towards, points.shape), np.float32)
        found = self._scene.run(np.ascontiguousarray(points, np.float32), directions, query="OCCLUDED")
        return np.asarray(found) >= 0

    def blend(self, name: str, hits: Hits, rows: Integers) -> Floats:
        """An array of the corners at what some rays have hit, which must be something."""
        corners = getattr(self.surface, name)[hits.triangles[rows]]
        return np.asarray(np.einsum("rc,rcd->rd", hits.weights[rows], corners), np.float32)


def render(scene: Scene, caster: Caster, background: Floats) -> tuple[Floats, Hits]:
    """The image of a scene in front of a background.

    Args:
        scene: The scene.
        caster: Its triangles.
        background: (H, W, 3), linear light.

    Returns:
        (H, W, 3) linear light, and what the rays through the pixels' middles have hit.
    """
    width, height = scene.camera.size_wh
    rows, columns = np.mgrid[:height, :width].astype(np.float32) + np.float32(0.5)
    pixels = np.stack([columns.ravel(), rows.ravel()], 1)
    directions = scene.camera.cast(pixels)
    hits = caster.cast(scene.camera.place, directions)
    behind = background * _darken_ground(scene, caster)[..., None] if scene.has_ground else background
    colours = behind.reshape(-1, 3).copy()
    gain = _match(background)
    _paint(scene, caster, (hits, directions), colours, gain)
    edges = np.flatnonzero(_find_edges(caster, hits, colours.reshape(height, width, 3)))
    around = np.tile(colours[edges][:, None], (1, len(_AROUND), 1))
    behind = behind.reshape(-1, 3)
    for number, shift in enumerate(_AROUND):
        ways = scene.camera.cast(pixels[edges] + shift)
        own = behind[edges].copy()
        _paint(scene, caster, (caster.cast(scene.camera.place, ways), ways), own, gain)
        around[:, number] = own
    colours[edges] = around.mean(1)
    return colours.reshape(height, width, 3), hits


def _match(background: Floats) -> Floats:
    """How bright the light is, (3,), so that people are about as bright and tinted as what is behind."""
    mean = background.mean((0, 1)) + np.float32(1e-3)
    grey = float(mean.mean())
    return np.asarray(np.clip((grey / 0.22) ** 0.5, 0.5, 1.5) * (mean / grey) ** 0.3, np.float32)


def _paint(scene: Scene, caster: Caster, rays: tuple[Hits, Floats], colours: Floats, gain: Floats) -> None:
    """Replace the colours of rays that have hit something."""
    hits, directions = rays
    rows = np.flatnonzero(hits.triangles >= 0)
    if not len(rows):
        return
    # By look, so that each paints what is its own at once.
    of_look = caster.look_index[hits.triangles[rows]]
    order = np.argsort(of_look, kind="stable")
    rows, of_look = rows[order], of_look[order]
    places, normals = caster.blend("places", hits, rows), caster.blend("normals", hits, rows)
    paint, gloss = np.empty_like(places), np.zeros((len(rows), 2), np.float32)
    starts = np.flatnonzero(np.diff(of_look, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        look, own = caster.looks[of_look[start]], slice(start, end)
        paint[own] = look.paint(places[own]).clip(0, 1)
        gloss[own] = look.gloss, look.shininess
        if look.roughness:
            normals[own] += np.float32(look.roughness) * sample_noise(places[own], look.wrinkle_size, look.seed)
    ways = directions[rows] / np.linalg.norm(directions[rows], axis=1, keepdims=True)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    normals *= np.where((normals * ways).sum(1, keepdims=True) > 0, -1, 1)
    points = caster.blend("corners", hits, rows)
    colours[rows] = gain * _light(scene, caster, (points, normals, ways), paint, gloss)


def _light(
    scene: Scene, caster: Caster, geometry: tuple[Floats, Floats, Floats], paint: Floats, gloss: Floats
) -> Floats:
    points, normals, ways = geometry
    up = normals[:, 1:2] * 0.5 + 0.5
    lit = scene.ambient[0] * up + scene.ambient[1] * (1 - up)
    shine = np.zeros_like(paint)
    off = points + _OFF_SURFACE_M * normals
    for light in scene.lights:
        facing = normals @ light.towards
        bright = facing.clip(0, None)
        seen = np.flatnonzero(bright > 0)
        if light.has_shadow and len(seen):
            bright[seen[caster.is_dark(off[seen], light.towards)]] = 0
        lit = lit + bright[:, None] * light.colour
        halfway = light.towards - ways
        halfway /= np.linalg.norm(halfway, axis=1, keepdims=True) + 1e-9
        strength = gloss[:, 0] * (normals * halfway).sum(1).clip(0, 1) ** gloss[:, 1] * (bright > 0)
        shine += strength[:, None] * light.colour
    return np.asarray(paint * lit + shine, np.float32)


def _find_edges(caster: Caster, hits: Hits, colours: Floats) -> npt.NDArray[np.bool_]:
    """Pixels next to one of another look, of a fold's other side, or of another colour: (H * W,)."""
    size_hw = colours.shape[:2]
    # The backgrounds' own edges are smooth already.
    bright = np.where(hits.triangles.reshape(size_hw) >= 0, colours.mean(2), 0)
    looks = np.where(hits.triangles >= 0, caster.look_index[hits.triangles], -1).reshape(size_hw)
    depths = np.where(np.isfinite(hits.depths), hits.depths, 0).reshape(size_hw)
    edges = np.zeros(size_hw, bool)
    for one, other in (
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
    ):
        differs = (looks[one] != looks[other]) | (np.abs(depths[one] - depths[other]) > 0.05 * depths[one])
        differs |= np.abs(bright[one] - bright[other]) > _CONTRAST
        edges[one] |= differs
        edges[other] |= differs
    return edges.ravel()


def _darken_ground(scene: Scene, caster: Caster) -> Floats:
    """How much of the light reaches the ground behind each pixel, (H, W), from half as many rays each way."""
    width, height = scene.camera.size_wh
    small = (max(1, height // 2), max(1, width // 2))
    rows, columns = np.mgrid[: small[0], : small[1]].astype(np.float32) + np.float32(0.5)
    scale = np.float32([width / small[1], height / small[0]])
    directions = scene.camera.cast(np.stack([columns.ravel(), rows.ravel()], 1) * scale)
    lengths = -scene.camera.place[1] / np.minimum(directions[:, 1], -1e-6)
    points = scene.camera.place + directions * lengths[:, None]
    points[:, 1] = 0.002
    feet = np.stack([person.keypoints[:, [0, 2]].mean(0) for person in scene.people])
    near = np.min([((points[:, [0, 2]] - spot) ** 2).sum(1) for spot in feet], axis=0)
    rows_near = np.flatnonzero((directions[:, 1] < -1e-3) & (near < _SHADOW_REACH_M**2))
    dark = np.zeros(len(points), np.float32)
    total = sum(float(light.colour.mean()) for light in scene.lights) + float(scene.ambient[0].mean())
    for light in scene.lights:
        if light.has_shadow and light.towards[1] > 0.05:
            fraction = float(light.colour.mean()) * float(light.towards[1]) / total
            dark[rows_near] += fraction * caster.is_dark(points[rows_near], light.towards)
    # Under the feet less of the sky is seen.
    dark[rows_near] += 0.25 * np.exp(-near[rows_near] / 0.06)
    blurred = cv2.GaussianBlur(dark.reshape(small), (0, 0), max(0.8, width / 400))
    return np.asarray(
        1 - cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR).clip(0, 0.85), np.float32
    )


__all__ = ["Caster", "Hits", "Light", "render"]
