"""MeasureSettings: how people are measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from models.settings import suggest
from posetrack.errors import PoseTrackError
from posetrack.low_pass import ORDERS, LowPass
from posetrack.measuring.floor import MeasuredFloor

UNITS = ("px", "heights", "m")
"""Units of lengths in the image: pixels, body heights of the person, metres."""
FACINGS = ("auto", "left", "right")
_LONGEST_GAP_S = 60.0
_TALLEST_M = 3.0
_FLOOR_HZ = 1.0


@dataclass(frozen=True)
class MeasureSettings:
    """How people are measured.

    >>> from posetrack import MeasureSettings
    >>> MeasureSettings(height_m=1.78).unit, MeasureSettings(cutoff_hz=None).low_pass
    ('m', None)

    Attributes:
        unit: Unit of lengths, one of `UNITS`; None for metres where a scale is given, else pixels.
        height_m: Height of everyone, in metres; a metre is then each person's own.
        heights_m: Heights of people by their track ids; the others have the median scale of these.
        px_per_m: Pixels of a metre, for everyone.
        floor: A rectangle on the floor, for places on it; None for none.
        facing: Side of the image that everyone faces, `left` or `right`; `auto` finds it in each frame.
        min_keypoint_score: Keypoints of a lower score are gaps.
        max_gap_s: Longest gap that is filled, on a straight line; 0 fills none.
        cutoff_hz: Cut-off frequency of the low-pass; None for no filter.
        order: Order of the low-pass, both passes together.

    Raises:
        PoseTrackError: A setting is out of range, or they contradict one another.
    """

    unit: str | None = None
    height_m: float | None = None
    heights_m: Mapping[int, float] = field(default_factory=dict)
    px_per_m: float | None = None
    floor: MeasuredFloor | None = None
    facing: str = "auto"
    min_keypoint_score: float = 0.3
    max_gap_s: float = 0.2
    cutoff_hz: float | None = 6.0
    order: int = 4

    def __post_init__(self) -> None:
        for name, value, unit in (
            ("height", self.height_m, "m"),
            *((f"height of id {track_id}", height_m, "m") for track_id, height_m in self.heights_m.items()),
            ("scale", self.px_per_m, "pixels a metre"),
            ("cut-off", self.cutoff_hz, "Hz"),
        ):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise PoseTrackError(f"{name}: {value:g} {unit}; expected a number above 0")
            if value is not None and unit == "m" and value > _TALLEST_M:
                raise PoseTrackError(f"{name}: {value:g} m; expected metres up to {_TALLEST_M:g}, such as 1.78")
        if self.px_per_m is not None and (self.height_m is not None or self.heights_m):
            raise PoseTrackError("scale and height: both say what a metre is; give one of them")
        if self.facing not in FACINGS:
            raise PoseTrackError(f"facing {self.facing}: {suggest(self.facing, FACINGS)}")
        if not 0 <= self.min_keypoint_score <= 1:
            raise PoseTrackError(f"keypoint score: {self.min_keypoint_score:g}; expected 0 to 1")
        if not 0 <= self.max_gap_s <= _LONGEST_GAP_S:
            raise PoseTrackError(f"longest gap: {self.max_gap_s:g} s; expected 0 to {_LONGEST_GAP_S:g}")
        if self.order not in ORDERS:
            raise PoseTrackError(f"order: {self.order}; expected {', '.join(map(str, ORDERS))}")
        if self.unit is None:
            object.__setattr__(self, "unit", "m" if self.has_scale else "px")
        if self.unit not in UNITS:
            raise PoseTrackError(f"unit {self.unit}: {suggest(str(self.unit), UNITS)}")
        if self.unit == "m" and not self.has_scale:
            raise PoseTrackError("unit m: nothing says what a metre is; give a height or a scale")

    @property
    def has_scale(self) -> bool:
        """Whether lengths in the image are known in metres."""
        return self.height_m is not None or bool(self.heights_m) or self.px_per_m is not None

    @property
    def low_pass(self) -> LowPass | None:
        """The filter; None for none."""
        return None if self.cutoff_hz is None else LowPass(self.cutoff_hz, self.order)

    @property
    def floor_low_pass(self) -> LowPass | None:
        """The filter of the body's place on the floor, below the rhythm of steps; None for none."""
        return None if self.cutoff_hz is None else LowPass(min(self.cutoff_hz, _FLOOR_HZ), self.order)

    def describe_signal(self) -> str:
        """What is done to the keypoints before anything is measured, in one line."""
        gaps = (
            f"gaps up to {self.max_gap_s:g} s filled on a straight line" if self.max_gap_s else "no gaps filled"
        )
        low_pass = "not filtered"
        if self.cutoff_hz is not None:
            low_pass = (
                f"Butterworth low-pass, {self.cutoff_hz:g} Hz (-3 dB of both passes together), order "
                f"{self.order}, forwards and backwards (no lag)"
            )
        return f"keypoints under score {self.min_keypoint_score:g} left out; {gaps}; {low_pass}"
