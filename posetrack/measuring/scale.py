"""Body heights in pixels, and what a pixel is in the unit of the measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.low_pass import DoubleArray
from posetrack.measuring.angles import Points
from posetrack.measuring.definitions import SIDES
from posetrack.measuring.settings import MeasureSettings

PART_OF_HEIGHT = 0.779
"""What shank (0.246), thigh (0.245) and trunk from hips to shoulders (0.288) are of a standing body's height.

Winter, Biomechanics and Motor Control of Human Movement, 4th edition, figure 4.1, after Drillis and Contini.
"""
TRUNK_OF_HEIGHT = 0.288

_DIFFERENT = 1.3
"""Ratio of body heights within a track from which on a remark says that they differ."""


@dataclass(frozen=True)
class BodyHeight:
    """How high a person is in the image.

    Attributes:
        px: Height of the standing body, the median of all frames in which it is known; None where it never is.
        low_px: The tenth percentile.
        high_px: The ninetieth percentile.
    """

    px: float | None
    low_px: float = 0.0
    high_px: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether the person is much larger in some frames than in others."""
        return self.px is not None and self.high_px > _DIFFERENT * self.low_px


def measure_height(points: Points) -> BodyHeight:
    """Measure the height of a standing body from its parts, however it stands, sits or bends.

    Shank, thigh (the mean of the sides that are seen) and trunk are added up, and divided by what they are of
    a body's height.

    Args:
        points: The person's points.
    """
    legs = [_measure_leg(points, side) for side in SIDES if f"{side}_ankle" in points]
    if not legs or "mid_hip" not in points or "mid_shoulder" not in points:
        return BodyHeight(None)
    both = np.array(legs)
    known = np.isfinite(both)
    leg = np.divide(
        np.where(known, both, 0).sum(axis=0),
        known.sum(axis=0),
        where=known.any(axis=0),
        out=np.full(both.shape[1], np.nan),
    )
    heights = (leg + measure_distance(points["mid_hip"], points["mid_shoulder"])) / PART_OF_HEIGHT
    heights = heights[np.isfinite(heights) & (heights > 0)]
    if not len(heights):
        return BodyHeight(None)
    low, median, high = np.percentile(heights, [10, 50, 90]).tolist()
    return BodyHeight(median, low, high)


def estimate_size(points: Points, height: BodyHeight) -> float | None:
    """The body height in pixels, by the trunk alone where the legs are not seen; None where it is not known."""
    if height.px is not None or "mid_hip" not in points or "mid_shoulder" not in points:
        return height.px
    trunks = measure_distance(points["mid_hip"], points["mid_shoulder"])
    trunks = trunks[np.isfinite(trunks) & (trunks > 0)]
    return float(np.median(trunks)) / TRUNK_OF_HEIGHT if len(trunks) else None


def measure_distance(start: DoubleArray, end: DoubleArray) -> DoubleArray:
    """Distance of two points (T, 2) over time, (T,)."""
    return np.asarray(np.hypot(*(end - start).T))


def choose_unit_per_px(
    track_id: int, height: BodyHeight, settings: MeasureSettings, m_per_px: float | None
) -> float | None:
    """What a pixel is in the unit of the measures.

    Args:
        track_id: Of the person.
        height: Of the person.
        settings: The settings.
        m_per_px: That of the people whose heights are given; None where no heights of single people are.

    Returns:
        The unit a pixel; None where it is not known, since the person's height in pixels is not.
    """
    if settings.unit == "px":
        return 1.0
    if settings.unit == "heights":
        return None if height.px is None else 1 / height.px
    if settings.px_per_m is not None:
        return 1 / settings.px_per_m
    own_m = settings.heights_m.get(track_id, settings.height_m)
    if own_m is not None:
        return None if height.px is None else own_m / height.px
    return m_per_px


def _measure_leg(points: Points, side: str) -> DoubleArray:
    hip, knee, ankle = (points[f"{side}_{part}"] for part in ("hip", "knee", "ankle"))
    return measure_distance(hip, knee) + measure_distance(knee, ankle)
