"""Geodesic point similarity (GPS): how far on the body's surface found points are from annotated ones.

Source: Güler et al., "DensePose: Dense Human Pose Estimation in the Wild", CVPR 2018, section 2.3, with a scale
for each group of charts, as in the data set's own tool. A point counts exp(-d^2 / (2 k^2)), a person the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.densepose.parts import CHART_GROUPS, NUM_CHARTS
from posetrack.evaluation.densepose.mesh import BodyMesh, Indices
from posetrack.evaluation.densepose.truth import SurfacePerson
from posetrack.results.dense_boxes import BoxXYWH
from posetrack.results.dense_results import Bytes

Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

SCALES = (0.351, 0.107, 0.126, 0.237, 0.173, 0.142, 0.128, 0.150)
"""The scale k of each group in `CHART_GROUPS`, from torso to head, in the mesh's unit (metres)."""

_SCALE_OF_CHART = np.array([SCALES[group - 1] for group in CHART_GROUPS[1:]])
_ANNOTATED_SIDE = 255.0
_NUM_CODES = (NUM_CHARTS + 1) << 16


@dataclass(frozen=True)
class ImagePoints:
    """Annotated points of the G people of one image, P in all, without those on the background.

    Attributes:
        owners: (P,) 0..G-1, ascending.
        points_xy: (P, 2) in the image.
        charts: (P,) 1..24.
        coordinates_uv: (P, 2) in 0..1.
        num_people: G.
    """

    owners: Indices
    points_xy: Numbers
    charts: Indices
    coordinates_uv: Numbers
    num_people: int


def place_points(people: Sequence[SurfacePerson]) -> ImagePoints:
    """Place the annotated points of an image's people, of whom some may have none."""
    places, charts, coordinates = [np.zeros((0, 2))], [np.zeros(0, np.int64)], [np.zeros((0, 2))]
    counts = np.zeros(len(people), np.int64)
    for number, person in enumerate(people):
        points = person.points
        if points is None:
            continue
        is_body = points.charts > 0
        counts[number] = np.count_nonzero(is_body)
        sides, corner = np.array([person.box.w, person.box.h]), np.array([person.box.x, person.box.y])
        places.append(points.points_xy[is_body] * sides / _ANNOTATED_SIDE + corner)
        charts.append(points.charts[is_body])
        coordinates.append(points.coordinates_uv[is_body])
    owners: Indices = np.repeat(np.arange(len(people), dtype=np.int64), counts)
    return ImagePoints(
        owners, np.concatenate(places), np.concatenate(charts), np.concatenate(coordinates), len(people)
    )


def take_codes(points: ImagePoints, box: BoxXYWH, pose: Bytes) -> Codes:
    """Read a found dense pose at annotated points.

    Args:
        points: P points.
        box: The found box.
        pose: (3, h, w) bytes of chart, u and v.

    Returns:
        (P,) chart, u and v in one number each (`decode_codes`); 0 outside the box and on the background.
    """
    # Truncated towards zero: what lies less than a pixel left of the box is in its first column.
    columns, rows = (points.points_xy - (box.x, box.y)).astype(np.int64).T
    inside = (columns >= 0) & (rows >= 0) & (columns < int(box.w)) & (rows < int(box.h))
    codes = np.zeros(len(columns), np.int32)
    charts, u, v = pose[:, rows[inside], columns[inside]].astype(np.int32)
    codes[inside] = np.where(charts > 0, charts << 16 | u << 8 | v, 0)
    return codes


class Similarities:
    """Computes GPS for the whole data set with one search for each different point.

    Args:
        mesh: The body's mesh.
        points: The annotated points of the images.
        codes: What their results have there.
    """

    def __init__(self, mesh: BodyMesh, points: Sequence[ImagePoints], codes: Sequence[Codes]) -> None:
        self._mesh = mesh
        self._vertices = np.full(_NUM_CODES, -1, np.int64)
        is_asked = np.zeros(_NUM_CODES, bool)
        for each in codes:
            is_asked[each] = True
        is_asked[0] = False
        asked = np.flatnonzero(is_asked)
        uv = np.stack([asked >> 8 & 255, asked & 255], axis=1) / 255.0
        self._vertices[asked] = mesh.find_vertices(asked >> 16, uv)
        self._images = list(zip(points, codes, strict=True))

    def compute(self) -> list[Numbers]:
        """Compute GPS of each image, (D, G) for D results and G people; 0 for people without points."""
        charts = np.concatenate([points.charts for points, _ in self._images])
        coordinates = np.concatenate([points.coordinates_uv for points, _ in self._images])
        ends = np.cumsum([len(points.charts) for points, _ in self._images])
        vertices = np.split(self._mesh.find_vertices(charts, coordinates), ends[:-1])
        return [
            self._compute_image(points, codes, truth)
            for (points, codes), truth in zip(self._images, vertices, strict=True)
        ]

    def _compute_image(self, points: ImagePoints, codes: Codes, truth: Indices) -> Numbers:
        found = self._vertices[codes]
        is_body = found >= 0
        distances = self._mesh.measure(np.where(is_body, found, truth), np.broadcast_to(truth, found.shape))
        scales = _SCALE_OF_CHART[points.charts - 1]
        terms = np.where(is_body, np.exp(-(distances**2) / (2 * scales**2)), 0.0)
        is_owned = points.owners[:, None] == np.arange(points.num_people)
        counts = is_owned.sum(axis=0)
        means: Numbers = (terms @ is_owned.astype(np.float64)) / np.maximum(counts, 1)
        return means
