"""Angles in the image, and the direction that a person faces, which gives some of them their sign."""

from __future__ import annotations

import numpy as np

from posetrack.low_pass import DoubleArray
from posetrack.measuring.definitions import SIDES, AngleDefinition

Points = dict[str, DoubleArray]
"""Points (T, 2) by name, pixels, y down; NaN where one is not known."""

_LEAST_FACING = 0.02
"""Body heights by which nose and knees must stand out to a side, on average."""
_FACING_S = 0.5
_LEAST_WIDTH = 0.2
"""Trunk lengths that hips, or shoulders, are apart at least; from the side their tilt is noise."""


def compute_angle(definition: AngleDefinition, points: Points, facing: DoubleArray) -> DoubleArray:
    """Compute an angle over time.

    Args:
        definition: The angle, of one side.
        points: Its points.
        facing: (T,) 1 where the person faces the right of the image, -1 the left, 0 where that is not known.

    Returns:
        (T,) degrees, above -180 and up to 180; NaN where a point is not known, two are in one place, or the
        sign needs a direction that is not known.
    """
    joint, distal = points[definition.joint], points[definition.distal]
    to = distal - joint
    if definition.sign == "rise":
        degrees = np.degrees(np.arctan2(-to[:, 1], np.abs(to[:, 0])))
        is_nothing = (to == 0).all(axis=1)
        if "mid_shoulder" in points and "mid_hip" in points:
            trunk = np.hypot(*(points["mid_shoulder"] - points["mid_hip"]).T)
            is_nothing |= np.hypot(*to.T) < _LEAST_WIDTH * trunk
        return _blank(degrees, is_nothing)
    if definition.proximal in ("up", "down"):
        from_zero = np.array([[0.0, -1.0 if definition.proximal == "up" else 1.0]])
    else:
        along = joint - points[definition.proximal]
        from_zero = along if definition.zero == "straight" else -along
    cross = from_zero[:, 0] * to[:, 1] - from_zero[:, 1] * to[:, 0]
    clockwise = np.degrees(np.arctan2(cross, (from_zero * to).sum(axis=1)))
    clockwise = _blank(clockwise, (to == 0).all(axis=1) | (from_zero == 0).all(axis=1))
    if definition.sign == "bend":
        return np.abs(clockwise)
    if definition.sign == "right":
        # A line that points up leans to the right clockwise, one that points down the other way round.
        return clockwise if definition.proximal == "up" else -clockwise
    upwards = definition.joint == "mid_shoulder"
    signed = clockwise * facing * (1 if upwards else -1)
    return _blank(np.where(signed == -180, 180.0, signed), facing == 0)


def find_facing(points: Points, times_s: DoubleArray, height_px: float | None) -> DoubleArray:
    """Find which side of the image a person faces.

    Noses are in front of shoulders, and knees in front of the line from hip to ankle; the mean of those that
    are seen, over half a second before and after, decides, if it is 0.02 body heights or more. People seen
    from the front or from behind face neither side.

    Args:
        points: The person's points.
        times_s: (T,).
        height_px: Body height, or an estimate of it; None where there is none.

    Returns:
        (T,) 1 for the right, -1 for the left, 0 where it is not known.
    """
    cues: list[DoubleArray] = []
    if "nose" in points and "mid_shoulder" in points:
        cues.append(points["nose"][:, 0] - points["mid_shoulder"][:, 0])
    for side in SIDES:
        names = [f"{side}_{part}" for part in ("hip", "knee", "ankle")]
        if all(name in points for name in names):
            hip, knee, ankle = (points[name] for name in names)
            leg = ankle - hip
            with np.errstate(invalid="ignore", divide="ignore"):
                across = (leg[:, 1] * (knee - hip)[:, 0] - leg[:, 0] * (knee - hip)[:, 1]) / np.hypot(*leg.T)
            cues.append(across)
    if height_px is None or not cues:
        return np.zeros(len(times_s))
    stacked = np.array(cues) / height_px
    known = np.isfinite(stacked)
    totals = np.where(known, stacked, 0).sum(axis=0)
    starts = np.searchsorted(times_s, times_s - _FACING_S - 1e-6)
    ends = np.searchsorted(times_s, times_s + _FACING_S + 1e-6)
    sums, counts = (
        np.concatenate([[0.0], np.cumsum(each)])[ends] - np.concatenate([[0.0], np.cumsum(each)])[starts]
        for each in (totals, known.sum(axis=0).astype(np.float64))
    )
    mean = np.divide(sums, counts, out=np.zeros(len(times_s)), where=counts > 0)
    return np.where(np.abs(mean) >= _LEAST_FACING, np.sign(mean), 0.0)


def _blank(values: DoubleArray, where: np.ndarray) -> DoubleArray:
    return np.where(where, np.nan, values)
