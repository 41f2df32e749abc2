"""Check of dense annotations (`dp_*`) and of regions to ignore, as training and evaluation read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.data.instances import list_ignored_boxes
from models.densepose.annotations import MASK_SIDE, read_surface_masks, read_surface_points
from models.training.errors import DataError
from posetrack.data_sets.findings import Findings


def check_surface(entry: Mapping[str, Any], at: str, findings: Findings) -> bool:
    """Check the dense annotation of a person; returns whether there is one that can be read."""
    try:
        points, masks = read_surface_points(entry, at), read_surface_masks(entry, at)
        if masks is not None:
            masks.decode_parts()
    except DataError as error:
        findings.add_fault("dense annotations that cannot be read", str(error))
        return False
    if points is None:
        if masks is not None:
            findings.add_note("people with dp_masks but without points (they have no dense annotation)", at)
        return False
    if not len(points):
        findings.add_note("people whose dense annotation has no points", at)
    elif not ((points.points_xy >= 0) & (points.points_xy <= MASK_SIDE)).all():
        findings.add_note("people with dense points outside their box", at)
    elif not points.charts.any():
        findings.add_note("people whose dense points are all of the background (dp_I 0)", at)
    if masks is None:
        findings.add_note("people with dense points but without dp_masks (evaluation takes their outline)", at)
    return True


def check_ignored_regions(image: Mapping[str, Any], at: str, findings: Findings) -> None:
    """Check an image's regions to ignore."""
    try:
        list_ignored_boxes(image, at)
    except DataError as error:
        findings.add_fault("regions to ignore that cannot be read", str(error))
