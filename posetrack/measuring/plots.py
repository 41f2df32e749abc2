"""Plots of measures: angles over time, paths seen from above, and a strip of stick figures."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from posetrack.frame import BoolArray
from posetrack.low_pass import DoubleArray
from posetrack.measuring.definitions import find_points
from posetrack.measuring.floor import MeasuredFloor
from posetrack.measuring.person import MeasuredPerson
from posetrack.measuring.settings import MeasureSettings
from posetrack.render.colors import SIDE_COLORS, color_of
from posetrack.skeleton import Skeleton

_DPI = 100
_COLORS = {side: tuple(0.85 * part / 255 for part in color) for side, color in SIDE_COLORS.items()}
_MIDDLE_COLOR = (0.25, 0.25, 0.25)
_NUM_FIGURES = 12
_LEAST_KEYPOINTS = 4
_COLUMNS = 2


def draw_angles(person: MeasuredPerson, settings: MeasureSettings, path: Path) -> None:
    """Draw all angles of a person over time: both sides of one in one plot; gaps are gaps.

    Raises:
        OSError: The file cannot be written.
    """
    groups: dict[str, list[tuple[str, DoubleArray]]] = {}
    for angle in person.list_kind("angle"):
        side, _, rest = angle.name.partition("_")
        name = rest if side in ("left", "right") else angle.name
        groups.setdefault(name, []).append((side if side in ("left", "right") else "middle", angle.values))
    rows = -(-len(groups) // _COLUMNS)
    figure = _make_figure(13, 2.1 * rows + 1)
    for i, (name, lines) in enumerate(groups.items()):
        axes = figure.add_subplot(rows, _COLUMNS, i + 1)
        for side, values in lines:
            color = _MIDDLE_COLOR if side == "middle" else _COLORS[side]
            label = None if side == "middle" else side
            axes.plot(person.times_s, values, color=color, linewidth=1.4, label=label)
            alone = _find_alone(values)
            axes.plot(person.times_s[alone], values[alone], color=color, linestyle="", marker=".")
        axes.set_title(name.replace("_", " "), fontsize=10, loc="left")
        axes.set_ylabel("degrees", fontsize=8)
        axes.set_xlim(person.times_s[0], max(person.times_s[-1], person.times_s[0] + 1e-3))
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
        if not any(np.isfinite(values).any() for _, values in lines):
            axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", va="center", color="gray")
        elif len(lines) > 1 and i == 0:
            axes.legend(fontsize=8, loc="upper right", ncols=2)
        if i + _COLUMNS >= len(groups):
            axes.set_xlabel("time, s", fontsize=8)
    _finish(figure, f"id {person.track_id}: joint angles in the image", _describe(settings), path)


def draw_paths(
    paths: Mapping[int, DoubleArray], floor: MeasuredFloor | None, size_wh: tuple[int, int], path: Path
) -> None:
    """Draw where people went: from above in metres where the floor is known, else as the camera sees it.

    Args:
        paths: The path of each person, (T, 2), by track id.
        floor: The floor; None where it is not known.
        size_wh: Width and height of the image.
        path: The file.

    Raises:
        OSError: The file cannot be written.
    """
    figure = _make_figure(9, 7 if floor is not None else 1.8 + min(7 * size_wh[1] / size_wh[0], 12))
    axes = figure.add_subplot()
    for track_id, xy in paths.items():
        known = np.flatnonzero(np.isfinite(xy).all(axis=1))
        if not len(known):
            continue
        color = tuple(part / 255 for part in color_of(track_id))
        axes.plot(*xy.T, color=color, linewidth=1.6, label=f"id {track_id}")
        axes.plot(*xy[_find_alone(xy[:, 0])].T, color=color, linestyle="", marker=".")
        axes.plot(*xy[known[0]], marker="o", color=color, markeredgecolor="black")
        axes.plot(*xy[known[-1]], marker="s", color=color, markeredgecolor="black")
    axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    if floor is None:
        axes.set_xlim(0, size_wh[0])
        axes.set_ylim(size_wh[1], 0)
        axes.set_xlabel("x, px")
        axes.set_ylabel("y, px")
        title = "paths of the body in the image, not from above: --floor is not given"
    else:
        corners = np.array([(0, 0), (floor.width_m, 0), (floor.width_m, floor.depth_m), (0, floor.depth_m)])
        axes.plot(*corners[[0, 1, 2, 3, 0]].T, color="gray", linestyle="--", linewidth=1, label="rectangle")
        axes.invert_yaxis()  # The first side is at the top, as in an image where it is the far one.
        axes.set_xlabel("x on the floor, m")
        axes.set_ylabel("y on the floor, m")
        title = "paths seen from above"
    if axes.get_legend_handles_labels()[0]:
        figure.legend(fontsize=8, loc="outside right center")
    _finish(figure, title, "circle: first place, square: last one", path)


def find_path(person: MeasuredPerson, skeleton: Skeleton, floor: MeasuredFloor | None) -> DoubleArray:
    """The path of a person, (T, 2): on the floor in metres, or in the image in pixels; NaN in gaps."""
    if floor is not None:
        return np.stack([person["floor_x_m"], person["floor_y_m"]], axis=1)
    ends = list(find_points(skeleton)[person.body_point])
    return np.asarray(person.keypoints_xy[:, ends].mean(axis=1))


def draw_figures(person: MeasuredPerson, skeleton: Skeleton, path: Path) -> bool:
    """Draw a strip of stick figures of a person, at equal times, each around the middle of its body.

    Args:
        person: The person.
        skeleton: Of the keypoints.
        path: The file.

    Returns:
        Whether it was drawn; not where too few keypoints are known.

    Raises:
        OSError: It cannot be written.
    """
    known = np.isfinite(person.keypoints_xy[:, :, 0]).sum(axis=1) >= _LEAST_KEYPOINTS
    frames = np.flatnonzero(known)
    if not len(frames):
        return False
    wanted_s = np.linspace(person.times_s[frames[0]], person.times_s[frames[-1]], _NUM_FIGURES)
    nearest = np.abs(person.times_s[frames][:, None] - wanted_s).argmin(axis=0)
    chosen = np.unique(frames[nearest])
    poses = person.keypoints_xy[chosen]
    centred = poses - np.nanmean(poses, axis=1, keepdims=True)
    low, high = np.nanmin(centred, axis=(0, 1)), np.nanmax(centred, axis=(0, 1))
    width, height = np.maximum(high - low, 1.0)
    spacing = max(1.1 * width, 0.35 * height)
    figure = _make_figure(14, max(14 * height / (spacing * _NUM_FIGURES), 1.5) + 1.2)
    axes = figure.add_subplot()
    for i, (frame, xy) in enumerate(zip(chosen.tolist(), centred, strict=True)):
        _draw_figure(axes, xy + np.array([i * spacing, 0]), skeleton)
        label = f"{person.times_s[frame]:.2f} s"
        axes.text(i * spacing, high[1] + 0.06 * height, label, ha="center", va="top", fontsize=8)
    axes.set_xlim(low[0] - 0.1 * spacing, (len(chosen) - 1) * spacing + high[0] + 0.1 * spacing)
    axes.set_ylim(high[1] + 0.2 * height, low[1] - 0.05 * height)
    axes.set_aspect("equal")
    axes.axis("off")
    _finish(figure, f"id {person.track_id}: poses over time", "orange: left side, blue: right side", path)
    return True


def _draw_figure(axes: Axes, xy: DoubleArray, skeleton: Skeleton) -> None:
    """Draw the limbs of one pose (K, 2), those that are known."""
    for (a, b), (start, end) in zip(skeleton.edges, skeleton.edge_index, strict=True):
        sides = {skeleton.side_of(a), skeleton.side_of(b)}
        side = sides.pop() if len(sides) == 1 else "middle"
        color = _MIDDLE_COLOR if side == "middle" else _COLORS[side]
        axes.plot(*xy[[start, end]].T, color=color, linewidth=2, solid_capstyle="round")


def _find_alone(values: DoubleArray) -> BoolArray:
    """Where a value stands between gaps, so that no line shows it."""
    known = np.isfinite(values)
    return np.asarray(known & ~np.append(known[1:], False) & ~np.insert(known[:-1], 0, False))


def _describe(settings: MeasureSettings) -> str:
    if settings.cutoff_hz is None:
        return "not filtered"
    return f"Butterworth low-pass {settings.cutoff_hz:g} Hz, order {settings.order}, without lag"


def _make_figure(width_in: float, height_in: float) -> Figure:
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _finish(figure: Figure, title: str, note: str, path: Path) -> None:
    figure.suptitle(f"{title}\n\n", fontsize=12)
    figure.text(0.5, 0.98, f"\n{note}", ha="center", va="top", fontsize=8, color="gray", linespacing=1.7)
    content = BytesIO()
    figure.savefig(content, format="png", dpi=_DPI)
    path.write_bytes(content.getvalue())
