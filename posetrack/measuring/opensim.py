"""OpenSim's files: markers as .trc, angles as .mot.

Sources: OpenSim's documentation, "Marker (.trc) Files" and "Motion (.mot) Files". Gaps are NaN in both: OpenSim
4.0 refuses rows of a .trc with empty fields. OpenSim's ground: x forward, y up, z to the right. Here x is the
image's from its left edge, y is up from its lower edge, and z is 0: a plane, as one camera sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.low_pass import DoubleArray, is_regular, measure_rate_hz
from posetrack.measuring.definitions import find_points, list_angles
from posetrack.measuring.person import MeasuredPerson
from posetrack.measuring.signals import find_longest_step, list_runs
from posetrack.skeleton import Skeleton

_FULL_TURN_DEG = 360.0
_GAP = "NaN\tNaN\tNaN"
_MOST_ROWS = 16
"""Rows a frame, on average; a clock that jumps by more keeps its own times."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Regular rows: at the frames' own times where these are regular, else brought to regular ones."""

    rate_hz: float
    times_s: DoubleArray
    values: DoubleArray


def write_trc(person: MeasuredPerson, skeleton: Skeleton, height_px: int, path: Path) -> bool:
    """Write the keypoints of a person as markers, in metres; gaps are NaN.

    Args:
        person: Measured in metres.
        skeleton: Of the keypoints.
        height_px: Of the image.
        path: The file.

    Returns:
        Whether it was written; not where a pixel of the person is not known in metres.

    Raises:
        OSError: It cannot be written.
    """
    if person.unit_per_px is None:
        return False
    up = person.keypoints_xy * [1, -1] + [0, height_px]
    rows = _make_rows(person.times_s, (up * person.unit_per_px).reshape(len(up), -1))
    T, K = len(rows.times_s), skeleton.num_keypoints
    rate = f"{rows.rate_hz:.6f}"
    # Two empty fields behind each name, so that all rows have as many.
    marker_row = "\t".join(f"{name}\t\t" for name in skeleton.names)
    axis_row = "\t".join(f"X{k}\tY{k}\tZ{k}" for k in range(1, K + 1))
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        "\t".join([rate, rate, str(T), str(K), "m", rate, "1", str(T)]),
        f"Frame#\tTime\t{marker_row}",
        f"\t\t{axis_row}",
        "",
    ]
    for i, (time_s, row) in enumerate(zip(rows.times_s.tolist(), rows.values.reshape(T, K, 2), strict=True)):
        markers = [_GAP if np.isnan(point).any() else f"{point[0]:.6f}\t{point[1]:.6f}\t0" for point in row]
        lines.append("\t".join([str(i + 1), f"{time_s:.6f}", *markers]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return True


def write_mot(person: MeasuredPerson, skeleton: Skeleton, notes: Sequence[str], path: Path) -> bool:
    """Write the angles of a person in degrees; gaps are NaN.

    Args:
        person: The person.
        skeleton: Of the keypoints.
        notes: Lines for its header.
        path: The file.

    Returns:
        Whether there are any angles; nothing is written otherwise.

    Raises:
        OSError: It cannot be written.
    """
    angles = list_angles(find_points(skeleton))
    if not angles:
        return False
    values = np.stack([person[f"{angle.name}_deg"] for angle in angles], axis=1)
    rows = _make_rows(person.times_s, values, period=_FULL_TURN_DEG)
    names = [angle.opensim or angle.name for angle in angles]
    lines = [
        "Coordinates",
        "version=1",
        f"nRows={len(rows.times_s)}",
        f"nColumns={len(names) + 1}",
        "inDegrees=yes",
        "",
        *notes,
        "",
        "endheader",
        "\t".join(["time", *names]),
    ]
    for time_s, row in zip(rows.times_s.tolist(), rows.values.tolist(), strict=True):
        lines.append("\t".join([f"{time_s:.6f}", *("NaN" if v != v else f"{v:.6f}" for v in row)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return True


def _make_rows(times_s: DoubleArray, values: DoubleArray, *, period: float | None = None) -> _Rows:
    """Rows at regular times.

    Args:
        times_s: (T,), rising.
        values: (T, C); NaN in gaps.
        period: Of values that wrap around.
    """
    if is_regular(times_s):
        return _Rows(measure_rate_hz(times_s), times_s, values)
    # Not the mean rate, which pauses make low.
    rate_hz = 1 / float(np.median(np.diff(times_s)))
    num = int((times_s[-1] - times_s[0]) * rate_hz + 1e-6) + 1
    if num > _MOST_ROWS * len(times_s):
        return _Rows(rate_hz, times_s, values)
    grid_s = times_s[0] + np.arange(num) / rate_hz
    resampled = np.full((len(grid_s), values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        for run in list_runs(times_s, values[:, column], find_longest_step(times_s)):
            part = values[run, column] if period is None else np.unwrap(values[run, column], period=period)
            start, end = np.searchsorted(grid_s, [times_s[run.start] - 1e-9, times_s[run.stop - 1] + 1e-9])
            resampled[start:end, column] = np.interp(grid_s[start:end], times_s[run], part)
    if period is not None:
        resampled = period / 2 - (period / 2 - resampled) % period
    return _Rows(rate_hz, grid_s, resampled)
