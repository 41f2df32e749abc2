"""Remarks: what should be known of the measures of one person."""

from __future__ import annotations

import numpy as np

from posetrack.frame import BoolArray
from posetrack.low_pass import DoubleArray, measure_rate_hz
from posetrack.measuring.scale import BodyHeight
from posetrack.measuring.settings import MeasureSettings
from posetrack.measuring.signals import Cleaned
from posetrack.measuring.tracks import MotionTrack


def find_remarks(
    track: MotionTrack,
    cleaned: Cleaned,
    height: BodyHeight,
    facing: DoubleArray,
    unit_per_px: float | None,
    settings: MeasureSettings,
    *,
    is_off_floor: bool,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What should be known of the measures of one person.

    Args:
        track: The person.
        cleaned: After gap filling and filtering.
        height: In the image.
        facing: (T,), 0 where it is not known.
        unit_per_px: What a pixel is in the unit of lengths; None where it is not known.
        settings: The settings.
        is_off_floor: Whether a place on the floor was wanted and is known in no frame.

    Returns:
        Warnings, that something is missing or otherwise throughout; and remarks, that it is in some frames. A
        line each.
    """
    known = np.isfinite(cleaned.xy[:, :, 0])
    if not known.any():
        least = settings.min_keypoint_score
        return (f"no keypoint has a score of {least:g} or more; nothing is measured",), ()
    warnings: list[str] = []
    remarks: list[str] = []
    if cleaned.unfiltered.any():
        is_all = bool(cleaned.unfiltered[known].all())
        part = "nothing is" if is_all else f"{_say_part(cleaned.unfiltered[known])} of the keypoints are not"
        (warnings if is_all else remarks).append(f"{part} filtered: {_find_reason(track, settings)}")
    if unit_per_px is None:
        unit = "metres" if settings.unit == "m" else "body heights"
        warnings.append(
            "never seen from shoulders to ankles, so that the body height in pixels is not known; what would "
            f"be in {unit} is left empty"
        )
    if is_off_floor:
        warnings.append(
            "both ankles are never seen below the horizon of --floor; there is no place on the floor"
        )
    if height.changes:
        remarks.append(
            f"the body height in the image changes from {height.low_px:.0f} to {height.high_px:.0f} px; "
            "lengths, speeds and paths are right for the median"
        )
    unsure = (facing == 0) & track.seen
    if unsure.any():
        remarks.append(
            f"in {_say_part(unsure[track.seen])} of the frames it is not known which side the person faces; "
            "hip, shoulder and neck flexion are left empty there; --facing says it"
        )
    return tuple(warnings), tuple(remarks)


def _find_reason(track: MotionTrack, settings: MeasureSettings) -> str:
    low_pass, rate_hz = settings.low_pass, measure_rate_hz(track.times_s)
    if low_pass is None:
        return ""
    if len(track.times_s) > 1 and not low_pass.can_filter(rate_hz):
        return f"{low_pass.cutoff_hz:g} Hz is not under half of {rate_hz:.4g} frames a second"
    return f"seen for fewer than the {low_pass.least_samples} frames in a row that the filter needs"


def _say_part(flags: BoolArray) -> str:
    """The part of flags that are true, in percent, no less than 1."""
    return f"{max(round(100 * float(flags.mean())), 1)} %"
