"""Coordinates of the hand: its palm and its back, each seen from straight above, side by side in one chart."""

from __future__ import annotations

import numpy as np

from made_mesh.body import Body, Flags, Indices, Numbers, compute_normals, cut_surface, find_neighbors
from made_mesh.unfold import Sheet, unfold


def find_frame(body: Body) -> Numbers:
    """Axes of the left hand, (3, 3): from the little finger to the index, to the wrist, out of its back."""
    bones = body.bones
    along = bones["wrist.L"][0] - bones["finger3-1.L"][0]
    along /= np.linalg.norm(along)
    across = bones["finger2-1.L"][0] - bones["finger5-1.L"][0]
    across -= along * (across @ along)
    across /= np.linalg.norm(across)
    out = np.cross(across, along)
    # The elbow side of the thumb's root tells nothing; the back faces away from the body.
    return np.stack([across, along, out if out[0] > 0 else -out])


def part_hand(body: Body, faces: Indices, out: Numbers) -> Flags:
    """Part the hand in palm and back along the line where it is seen from the side; True is the back."""
    pairs, ends = find_neighbors(faces)
    lengths = np.linalg.norm(body.vertices[ends[:, 1]] - body.vertices[ends[:, 0]], axis=1)
    facing = compute_normals(body.vertices, faces) @ out
    slants = facing[pairs].mean(axis=1)
    return cut_surface(pairs, lengths * (0.02 + slants**2), facing > 0.8, facing < -0.8)


# Of the chart's width, on each side of the middle, what stays free between palm and back.
_GAP = 0.01
_SMOOTHINGS = 4


def lay_side(sheet: Sheet, frame: Numbers) -> Numbers:
    """Lay out the palm or the back: its outline as seen from above, smoothed, the rest spread inside it.

    Returns:
        (R, 2): u from the little finger to the thumb, v from the fingers to the wrist; decimetres.
    """
    outline = sheet.places[sheet.border] @ frame[:2].T
    for _ in range(_SMOOTHINGS):
        outline = outline / 2 + (np.roll(outline, 1, axis=0) + np.roll(outline, -1, axis=0)) / 4
    return unfold(sheet, outline)


def join_sides(palm: Numbers, back: Numbers) -> tuple[Numbers, Numbers]:
    """Put the palm at u below 1/2 and the back above, the little fingers towards the middle."""
    both = np.concatenate([palm, back])
    low, size = both.min(axis=0), np.ptp(both, axis=0)
    palm, back = ((side - low) / size for side in (palm, back))
    width = 0.5 - _GAP
    return (
        np.stack([width * (1 - palm[:, 0]), palm[:, 1]], axis=1),
        np.stack([1 - width * (1 - back[:, 0]), back[:, 1]], axis=1),
    )
