"""How frames, people and results show themselves in a notebook: small tables and images, as HTML.

Drawn as SVG over the image, so that looking at a frame needs neither OpenCV nor a renderer.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

_LONGEST_SIDE_PX = 480
_MOST_ROWS = 20
_MIN_KEYPOINT_SCORE = 0.3
_COLORS = ("#f44", "#2b2", "#48f", "#fb0", "#c4c", "#0bb", "#f82", "#8c4")


def make_table(columns: Sequence[str], rows: Iterable[Sequence[object]], num_rows: int) -> str:
    """A table of HTML; of many rows, the first ones.

    Args:
        columns: Their heads.
        rows: What is in the cells.
        num_rows: How many rows there are.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    shown = [row for row, _ in zip(rows, range(_MOST_ROWS), strict=False)]
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in shown)
    more = f"<p>{num_rows - len(shown)} more</p>" if num_rows > len(shown) else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def show_facts(facts: Mapping[str, object]) -> str:
    """Names and values of something, as a table of HTML."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(v))}</td></tr>" for name, v in facts.items())
    return f"<table>{rows}</table>"


def show_people(people: Any) -> str:
    """A table of people (`Instances`), one row each, as HTML."""
    parts: dict[str, Sequence[object]] = {}
    if people.track_ids is not None:
        parts["track_id"] = people.track_ids.tolist()
    if people.boxes_xyxy is not None:
        parts["box_xyxy"] = [", ".join(f"{side:.0f}" for side in box) for box in people.boxes_xyxy]
    if people.box_scores is not None:
        parts["box_score"] = [f"{score:.2f}" for score in people.box_scores]
    if people.keypoint_scores is not None:
        parts["keypoints"] = [
            f"{(scores >= _MIN_KEYPOINT_SCORE).sum()} of {len(scores)} seen"
            for scores in people.keypoint_scores
        ]
    return f"<p>{escape(repr(people))}</p>" + (
        make_table(list(parts), zip(*parts.values(), strict=True), len(people)) if len(people) else ""
    )


def show_frame(frame: Any) -> str:
    """A small image of a `Frame` with boxes, ids and limbs of its people, as HTML."""
    width, height = frame.size_wh
    step = max(-(-max(width, height) // _LONGEST_SIDE_PX), 1)
    image = base64.b64encode(encode_png(frame.image[::step, ::step])).decode()
    line = max(width, height) / _LONGEST_SIDE_PX * 2
    return (
        f'<svg viewBox="0 0 {width} {height}" style="width: {width // step}px; max-width: 100%" '
        f'xmlns="http://www.w3.org/2000/svg" fill="none" stroke-width="{line:.2f}" stroke-linecap="round">'
        f'<image href="data:image/png;base64,{image}" width="{width}" height="{height}"/>'
        f"{''.join(_draw_person(frame, row, line) for row in range(len(frame.instances)))}</svg>"
        f"<p>{escape(repr(frame))}</p>"
    )


def _draw_person(frame: Any, row: int, line: float) -> str:
    people = frame.instances
    track_id = -1 if people.track_ids is None else int(people.track_ids[row])
    color, drawn = _COLORS[track_id % len(_COLORS)], []
    if people.boxes_xyxy is not None:
        x1, y1, x2, y2 = people.boxes_xyxy[row].tolist()
        size = f'width="{max(x2 - x1, 0):.1f}" height="{max(y2 - y1, 0):.1f}"'
        drawn.append(f'<rect x="{x1:.1f}" y="{y1:.1f}" {size}/>')
        if track_id >= 0:
            place = f'x="{x1 + 2 * line:.1f}" y="{y1 + 7 * line:.1f}" font-size="{6 * line:.1f}"'
            drawn.append(f'<text {place} fill="{color}" stroke="none">{track_id}</text>')
    points, scores = people.drawn_xy, people.keypoint_scores
    if points is not None and frame.skeleton is not None:
        seen = np.ones(len(points[row]), bool) if scores is None else scores[row] >= _MIN_KEYPOINT_SCORE
        for a, b in frame.skeleton.edge_index:
            if seen[a] and seen[b]:
                (x1, y1), (x2, y2) = points[row][[a, b]].tolist()
                drawn.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    return f'<g stroke="{color}">{"".join(drawn)}</g>'


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Encode an image (H, W, 3) uint8 RGB as PNG (ISO/IEC 15948), without filters."""
    height, width = image.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 1:] = image.reshape(height, 3 * width)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
