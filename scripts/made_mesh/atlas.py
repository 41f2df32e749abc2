"""All charts of the body with their coordinates, the right half as the left half's mirror image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from made_mesh.body import Body, Flags, Indices, Numbers
from made_mesh.hands import find_frame, join_sides, lay_side, part_hand
from made_mesh.layouts import (
    LIMBS,
    Borders,
    close_pockets,
    find_foot_cut,
    lay_foot,
    lay_head,
    lay_limb,
    lay_torso,
)
from made_mesh.relax import relax
from made_mesh.segments import MIRROR, find_axis
from made_mesh.unfold import Sheet

_HEAD, _HAND, _FOOT = 24, 4, 5
_TORSO = (1, 2)
# In decimetres above the mesh's middle: where the face's middle line turns to the top of the head.
_CROWN = 8.15


@dataclass(frozen=True, eq=False)
class Piece:
    """A chart, or a part of one, of the left half or of the torso.

    Attributes:
        chart: Its number.
        faces: (F,) places of its faces in the body.
        corners: (F, 4) its own vertices.
        origins: (R,) the body's vertex of each.
        uv: (R, 2).
    """

    chart: int
    faces: Indices
    corners: Indices
    origins: Indices
    uv: Numbers


@dataclass(frozen=True, eq=False)
class Atlas:
    """Charts and coordinates of the whole body: R rows, a vertex once for each chart and side of a cut.

    Attributes:
        charts: (R,) 1..24.
        uv: (R, 2) float32.
        vertices: (R,) the body's vertex.
        mirror: (R,) the row of the same place on the other side.
        face_rows: (F, 4) rows of each face's corners, -1 of faces without a chart.
        eye_uv: (2,) of the middle of the eye, in the charts of the head.
    """

    charts: Indices
    uv: Numbers
    vertices: Indices
    mirror: Indices
    face_rows: Indices
    eye_uv: Numbers


def lay_charts(body: Body, charts: Indices) -> tuple[list[Piece], Numbers]:
    """Lay out the torso and the left half; returns the pieces and the place of the eye, (2,).

    Raises:
        ValueError: A chart is no disk, or is folded where it must not be.
    """
    borders = Borders(body, charts)
    pieces = []
    for chart in _TORSO:
        faces, sheet = _make_sheet(body, charts == chart)
        uv = _mirror_torso(body, sheet, lay_torso(sheet, borders.look_across(sheet)))
        pieces.append(_make_piece(chart, faces, sheet, uv))
    for chart, far, near, bone in LIMBS:
        faces, sheet = _make_sheet(body, charts == chart)
        axis = find_axis(body, bone)
        outward = np.array([1.0, 0.0, 0.0]) - axis[0] * axis
        uv = relax(sheet, lay_limb(sheet, borders.look_across(sheet), far, near, outward))
        pieces.append(_make_piece(chart, faces, sheet, uv))
    faces = np.flatnonzero(charts == _FOOT)
    whole = Sheet(body.vertices, body.faces[faces])
    way, under = find_foot_cut(body, body.faces[faces], whole.origins[whole.border])
    sheet = Sheet(body.vertices, body.faces[faces], pairwise(way))
    pieces.append(_make_piece(_FOOT, faces, sheet, lay_foot(sheet, borders.look_across(sheet), under)))
    pieces += _lay_hand(body, charts == _HAND)
    faces = np.flatnonzero(charts == _HEAD)
    vertices, lids = close_pockets(body, charts)
    sheet = Sheet(vertices, np.concatenate([body.faces[faces], lids]))
    uv = lay_head(sheet, borders.look_across(sheet), _CROWN)
    pieces.append(_make_piece(_HEAD, faces, sheet, uv))
    return pieces, uv[sheet.origins == len(body.vertices)][0]


def _make_sheet(body: Body, is_chart: Flags) -> tuple[Indices, Sheet]:
    faces = np.flatnonzero(is_chart)
    return faces, Sheet(body.vertices, body.faces[faces])


def _make_piece(chart: int, faces: Indices, sheet: Sheet, uv: Numbers) -> Piece:
    return Piece(chart, faces, sheet.corners[: len(faces)], sheet.origins, uv)


def _mirror_torso(body: Body, sheet: Sheet, uv: Numbers) -> Numbers:
    """Make u and 1 - u of mirrored vertices, and v of both, exactly the same in float32."""
    place = np.zeros(len(body.vertices), np.int64)
    place[sheet.origins] = np.arange(sheet.size)
    mirror = place[body.mirror_vertex[sheet.origins]]
    mean = (uv + [0, 0] + (uv[mirror] * [-1, 1] + [1, 0])) / 2
    mean = mean.astype(np.float32)
    is_left, is_middle = sheet.places[:, 0] > 0, mirror == np.arange(sheet.size)
    mean[is_middle, 0] = 0.5
    mean = relax(sheet, mean.astype(np.float64), is_left).astype(np.float32)
    other = mirror[is_left]
    mean[other] = mean[is_left] * np.float32([-1, 1]) + np.float32([1, 0])
    return mean.astype(np.float64)


def _lay_hand(body: Body, is_hand: Flags) -> list[Piece]:
    frame = find_frame(body)
    faces = np.flatnonzero(is_hand)
    is_back = part_hand(body, body.faces[faces], frame[2])
    sides = [faces[~is_back], faces[is_back]]
    sheets = [Sheet(body.vertices, body.faces[side]) for side in sides]
    laid = join_sides(*(relax(sheet, lay_side(sheet, frame)) for sheet in sheets))
    return [_make_piece(_HAND, *each) for each in zip(sides, sheets, laid, strict=True)]


def join_pieces(body: Body, pieces: list[Piece], eye_uv: Numbers) -> Atlas:
    """Put the pieces together, and their mirror images."""
    columns: list[list[Numbers | Indices]] = [[], [], [], []]
    face_rows = np.full((len(body.faces), 4), -1, np.int64)
    count = 0
    for piece in pieces:
        used, inverse = np.unique(piece.corners, return_inverse=True)
        corners = inverse.reshape(piece.corners.shape)
        origins, size = piece.origins[used], len(used)
        face_rows[piece.faces] = corners + count
        here = np.arange(count, count + size)
        if piece.chart in _TORSO:
            place = np.zeros(len(body.vertices), np.int64)
            place[origins] = here
            _add(
                columns, np.full(size, piece.chart), piece.uv[used], origins, place[body.mirror_vertex[origins]]
            )
            count += size
            continue
        _add(columns, np.full(size, piece.chart), piece.uv[used], origins, here + size)
        others = body.mirror_vertex[origins]
        _add(columns, np.full(size, MIRROR[piece.chart]), piece.uv[used], others, here)
        mirrored = body.mirror_face[piece.faces]
        # The corners of the mirrored face stand in an order of its own.
        matches = body.faces[mirrored][:, :, None] == body.mirror_vertex[body.faces[piece.faces]][:, None, :]
        order = matches.argmax(axis=2)
        face_rows[mirrored] = np.take_along_axis(corners, order, axis=1) + count + size
        count += 2 * size
    charts, uv, vertices, mirror = (np.concatenate(column) for column in columns)
    return Atlas(charts, uv.astype(np.float32), vertices, mirror, face_rows, eye_uv.astype(np.float32))


def _add(columns: list[list[Numbers | Indices]], *values: Numbers | Indices) -> None:
    for column, each in zip(columns, values, strict=True):
        column.append(each)
