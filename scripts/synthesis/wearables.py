"""Everything that a person may wear or is made of, prepared once: how it follows the body, and its labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from synthesis.atlas import BodyCharts
from synthesis.bodies import move_points
from synthesis.meshes import Surface, cut_triangles, find_normals, link_vertices, split_quads
from synthesis.pack import SURFACES, Floats, Garment, Integers, Pack
from synthesis.surface_labels import HEAD_CHARTS, FineLabels, SkinLabels

HAIRS = ("afro", "bob", "long", "short")
HATS = ("fedora",)
SHOES = ("shoes",)
_ON_HEAD = (*HAIRS, *HATS)
_UNDER_SKIRTS = (1, 2, *range(7, 15))
"""The torso and the legs: at rest, hands are near a skirt."""
_METRES = 0.1


@dataclass(frozen=True, eq=False)
class Layer:
    """Triangles that move with the body.

    Attributes:
        triangles: (F, 3) of its vertices.
        links: Vertices to triangles.
        places: (n, 3), its vertices on the pack's body at rest.
        labels: Of the pieces of the triangles.
    """

    triangles: Integers
    links: sparse.csr_matrix
    places: Floats
    labels: FineLabels

    def make_surface(self, vertices: Floats, normals: Floats, values: Floats | None = None) -> Surface:
        """The surface of posed vertices, cut to where a value of the vertices is above 0."""
        labels = self.labels
        own, weights = self.triangles[labels.parents], labels.weights
        charts, coordinates = labels.charts, labels.coordinates_uv
        if values is not None:
            picked, cuts = cut_triangles((weights @ values[own][..., None])[..., 0])
            own, weights = own[picked], cuts @ weights[picked]
            charts, coordinates = charts[picked], cuts @ coordinates[picked]
        corners, directions, places = (weights @ array[own] for array in (vertices, normals, self.places))
        return Surface(corners, directions, places, charts, coordinates)

    def pick_surface(self, vertices: Floats, normals: Floats, picked: Integers) -> Surface:
        """The surface of some of the triangles of a layer in which none is split."""
        own = self.triangles[picked]
        labels = self.labels
        return Surface(
            vertices[own], normals[own], self.places[own], labels.charts[picked], labels.coordinates_uv[picked]
        )


@dataclass(frozen=True, eq=False)
class FittedGarment:
    """A garment of the pack with its labels.

    Attributes:
        garment: How it fits.
        skin: (n, B) sparse.
        layer: Its triangles.
    """

    garment: Garment
    skin: sparse.csr_matrix
    layer: Layer

    def pose(self, vertices: Floats, motions: Floats) -> tuple[Floats, Floats]:
        """Vertices and normals on a body at rest, moved by its bones; metres."""
        moved = move_points(self.skin, motions, self.garment.fit(vertices)) * np.float32(_METRES)
        return moved, find_normals(moved, self.layer.triangles, self.layer.links)


class Wardrobe:
    """The layers of a pack's body and clothes.

    Attributes:
        pack: The pack.
        layers: Those on the pack's own vertices, by the names of `SURFACES`.
        garments: Those of the pack's clothes.
        normals: (N, 3), of the pack's vertices at rest.
        is_outside: (F,), which of the body's triangles have a chart of the atlas.
    """

    def __init__(self, pack: Pack, atlas: BodyCharts) -> None:
        self.pack = pack
        labels = SkinLabels(pack.vertices, pack.quads["body"], atlas)
        self.is_outside = labels.is_outside
        self.layers = {name: self._make_layer(name, labels) for name in SURFACES}
        every = np.concatenate([layer.triangles for layer in self.layers.values()])
        self._triangles, self._links = every, link_vertices(every, len(pack.vertices))
        self.normals = self.find_normals(pack.vertices)
        self.garments = {name: self._fit(name, labels) for name in pack.garments}

    def find_normals(self, vertices: Floats) -> Floats:
        """Normals of the pack's vertices."""
        return find_normals(vertices, self._triangles, self._links)

    def find_garments(self, *prefixes: str) -> list[str]:
        """Names of the garments that begin so."""
        return [name for name in self.garments if name.startswith(prefixes)]

    def _make_layer(self, name: str, labels: SkinLabels) -> Layer:
        vertices = self.pack.vertices
        if name == "body":
            triangles = labels.triangles
            weights = np.broadcast_to(np.eye(3, dtype=np.float32), (len(triangles), 3, 3))
            fine = FineLabels(np.arange(len(triangles)), weights, labels.charts, labels.coordinates_uv)
        else:
            triangles = split_quads(self.pack.quads[name])[0]
            allowed = (
                HEAD_CHARTS if name.startswith(("hair", "eye")) else _UNDER_SKIRTS if name == "skirt" else ()
            )
            fine = labels.label_finely(vertices[triangles], allowed)
        return Layer(triangles, link_vertices(triangles, len(vertices)), vertices, fine)

    def _fit(self, name: str, labels: SkinLabels) -> FittedGarment:
        garment = self.pack.garments[name]
        places = np.asarray(garment.fit(self.pack.vertices), np.float32)
        triangles = split_quads(garment.quads)[0]
        fine = labels.label_finely(places[triangles], HEAD_CHARTS if name.startswith(_ON_HEAD) else ())
        layer = Layer(triangles, link_vertices(triangles, len(places)), places, fine)
        return FittedGarment(garment, (garment.follow @ self.pack.skin).tocsr(), layer)
