"""Plots of an evaluation: precision and recall, MOTA of each sequence, and timelines of track ids."""

from __future__ import annotations

import colorsys
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from posetrack.annotations.video import DoubleArray
from posetrack.evaluation.posetrack.average_precision import KeypointLabels, compute_curve
from posetrack.evaluation.posetrack.evaluate import PoseTrackEvaluation, SequenceEvaluation, TrackAssignment
from posetrack.evaluation.posetrack.metrics import COLUMNS, NAMES, PoseTrackMetrics, add_counts
from posetrack.evaluation.posetrack.report import CORRECTED_NOTE, format_percent
from posetrack.frame import BoolArray, IntArray
from posetrack.results.files import cannot_write
from posetrack.skeleton import POSETRACK_15

_DPI = 100
_MISSED_COLOR = (0.7, 0.7, 0.7)
_COLORS = {
    "Head": ("tab:pink", "tab:purple", "tab:gray"),
    "Shou": ("tab:red",) * 2,
    "Elb": ("tab:orange",) * 2,
    "Wri": ("tab:olive",) * 2,
    "Hip": ("tab:green",) * 2,
    "Knee": ("tab:cyan",) * 2,
    "Ankl": ("tab:blue",) * 2,
}
# Found by trial: colours of tracks up to 7 apart differ by a CIELAB distance of 28 or more, up to 24 by 16.
_HUE_STEP = 0.358
_TONES = ((0.45, 0.85), (0.75, 0.85), (0.9, 1.0), (0.9, 0.55))
_LOWEST_MOTA_SHOWN = -100.0
_MOST_PIXELS = 20_000


def draw_plots(evaluation: PoseTrackEvaluation, out_dir: Path, *, corrected: bool = False) -> list[Path]:
    """Draw all plots: the curves, and MOTA and the timelines if there are track ids.

    Args:
        evaluation: The evaluation.
        out_dir: Output folder, created if needed; existing files of the same names are replaced.
        corrected: Whether the evaluation is corrected; the titles then say so.

    Returns:
        The PNG files written: `precision_recall.png`, `mota_per_sequence.png`, `timeline_NAME.png`.

    Raises:
        ResultsError: A file or the folder cannot be written.
    """
    note = f"\n{CORRECTED_NOTE}" if corrected else ""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out_dir, error) from error
    labels = add_counts([sequence.counts for sequence in evaluation.sequences]).labels
    curves = draw_precision_recall(labels, evaluation.total, corrected=corrected, note=note)
    paths = [_save(curves, out_dir / "precision_recall.png")]
    tracked = [sequence for sequence in evaluation.sequences if sequence.counts.mot is not None]
    if tracked:
        mota = {sequence.name: float(evaluation.per_sequence[sequence.name].mota[-1]) for sequence in tracked}
        total = float(evaluation.total.mota[-1])
        paths.append(_save(draw_mota(mota, total, note=note), out_dir / "mota_per_sequence.png"))
    timelines = (
        _save(draw_timeline(sequence, note=note), out_dir / f"timeline_{sequence.name}.png")
        for sequence in sorted(tracked, key=lambda sequence: sequence.name)
    )
    return [*paths, *timelines]


def _save(figure: Figure, path: Path) -> Path:
    content = BytesIO()
    # Agg refuses images of 2^16 pixels; crowds and long lists must not break the report.
    dpi = min(_DPI, _MOST_PIXELS / max(figure.get_size_inches()))
    figure.savefig(content, format="png", dpi=dpi, bbox_inches="tight")
    try:
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def _make_axes(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    """Make a figure with axes of this size, without title and labels."""
    figure = Figure(figsize=(width_in, height_in))
    FigureCanvasAgg(figure)
    return figure, figure.add_axes((0.0, 0.0, 1.0, 1.0))


def make_envelope(precision: DoubleArray, recall: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Compute the corners of the curve whose area is the average precision.

    Args:
        precision: (D,).
        recall: (D,), ascending, without NaN.

    Returns:
        Recall and precision of the corners, from recall 0 to the last recall, where precision drops to 0.
    """
    if not len(precision):
        return np.zeros(0), np.zeros(0)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    # A horizontal segment ends where the precision drops next.
    ends = np.diff(envelope, append=-1.0) != 0
    x, y = recall[ends], envelope[ends]
    return np.concatenate([[0.0], np.repeat(x, 2)]), np.concatenate([np.repeat(y, 2), [0.0]])


def draw_precision_recall(
    labels: KeypointLabels, metrics: PoseTrackMetrics, *, corrected: bool = False, note: str = ""
) -> Figure:
    """Draw one curve per keypoint; those of the left side are dashed.

    Args:
        labels: Labels of all sequences.
        metrics: Metrics of all sequences, for the legend.
        corrected: As in `compute_curve`.
        note: Appended to the title.

    Returns:
        The figure.
    """
    figure, axes = _make_axes(7, 5.5)
    for column, colors in _COLORS.items():
        for name, color in zip(COLUMNS[column], colors, strict=True):
            k = NAMES.index(name)
            num_annotated = int(labels.num_annotated[k])
            precision, recall = np.zeros(0), np.zeros(0)
            if num_annotated:
                precision, recall = compute_curve(
                    labels.scores[k], labels.labels[k], num_annotated, corrected=corrected
                )
            x, y = make_envelope(precision, recall)
            style = "--" if POSETRACK_15.side_of(name) == "left" else "-"
            label = f"{name.replace('_', ' ')}  {format_percent(float(metrics.ap[k]))}"
            axes.plot(100 * x, 100 * y, color=color, linestyle=style, linewidth=1.6, label=label)
    axes.set(xlim=(0, 100), ylim=(0, 102), xlabel="recall (%)", ylabel="precision at this or higher recall (%)")
    axes.grid(alpha=0.3)
    axes.set_title(
        f"Precision and recall of each keypoint, mean AP {format_percent(float(metrics.ap[-1]))} %{note}"
    )
    axes.legend(title="AP (%)", loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, frameon=False)
    return figure


def draw_mota(mota: dict[str, float], total: float, *, note: str = "") -> Figure:
    """Draw one bar per sequence, the best first, and a line at the total.

    Args:
        mota: MOTA of each sequence, in percent; NaN where undefined. At least one.
        total: MOTA over all sequences; NaN if undefined.
        note: Appended to the title.

    Returns:
        The figure; bars below -100 % are cut off there, with their numbers beside them.
    """
    # Undefined values last.
    names = sorted(mota, key=lambda name: (np.isnan(mota[name]), -np.nan_to_num(mota[name]), name))
    values = np.array([mota[name] for name in names])
    rows = np.arange(len(names))
    low = max(_LOWEST_MOTA_SHOWN, min(0.0, np.floor(np.nanmin([*values, total, 0.0]) / 10) * 10))
    figure, axes = _make_axes(7, max(0.6, 0.2 * len(names)))
    shown = np.clip(np.nan_to_num(values), low, None)
    axes.barh(rows, shown, height=0.75, color=np.where(values < 0, "tab:red", "tab:blue").tolist())
    for row, end, value in zip(rows, shown, values, strict=True):
        # To the right of the bar, or of the zero line if the bar extends to the left.
        axes.annotate(
            format_percent(float(value)),
            (max(float(end), 0.0), row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
    if not np.isnan(total):
        label = f"all sequences together  {format_percent(total)}"
        axes.axvline(max(total, low), color="black", linestyle="--", linewidth=1, label=label)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, frameon=False)
    axes.set_yticks(rows, labels=names, parse_math=False, fontsize=8)
    # The best on top; space for the numbers beside bars of 100 %.
    axes.set(xlim=(low, 108), ylim=(len(names) - 0.4, -0.6), xlabel="MOTA (%), mean over the keypoints")
    axes.set_xticks(np.arange(low, 101, 10 if low > -50 else 20))
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_title(f"MOTA of each sequence{note}")
    return figure


def find_switches(assignment: TrackAssignment) -> BoolArray:
    """Find id switches: frames in which a person has another predicted track than when it was last found.

    Args:
        assignment: N people, sorted by frame.

    Returns:
        (N,) True for the person in the first frame of the new track.
    """
    is_switch = np.zeros(len(assignment.true_tracks), bool)
    last: dict[int, int] = {}
    for row, (person, track) in enumerate(
        zip(assignment.true_tracks.tolist(), assignment.predicted_tracks.tolist(), strict=True)
    ):
        if track >= 0:
            is_switch[row] = last.get(person, track) != track
            last[person] = track
    return is_switch


def find_segments(assignment: TrackAssignment) -> IntArray:
    """Join consecutive frames in which a person has the same predicted track, or none.

    Args:
        assignment: N people, sorted by frame.

    Returns:
        (S, 4): person, predicted track or -1, first frame, last frame; sorted by person and frame.
    """
    order = np.lexsort((assignment.frame_index, assignment.true_tracks))
    frames, persons = assignment.frame_index[order], assignment.true_tracks[order]
    tracks = assignment.predicted_tracks[order]
    changes = (np.diff(persons) != 0) | (np.diff(tracks) != 0) | (np.diff(frames) > 1)
    firsts = np.concatenate([[0], np.flatnonzero(changes) + 1])[: len(order)]
    lasts = np.append(firsts[1:] - 1, len(order) - 1)[: len(firsts)]
    return np.stack([persons[firsts], tracks[firsts], frames[firsts], frames[lasts]], axis=1)


def color_of(track: int) -> tuple[float, float, float]:
    """Choose the colour of a predicted track, distinct from those of neighbouring tracks and from grey.

    Args:
        track: Its number, from 0; -1 for none.

    Returns:
        RGB from 0 to 1.
    """
    if track < 0:
        return _MISSED_COLOR
    saturation, value = _TONES[track % len(_TONES)]
    return colorsys.hsv_to_rgb(track * _HUE_STEP % 1.0, saturation, value)


def draw_timeline(sequence: SequenceEvaluation, *, note: str = "") -> Figure:
    """Draw one row per person of the ground truth with its predicted track in each frame.

    Args:
        sequence: A sequence with track ids.
        note: Appended to the title.

    Returns:
        The figure. Frames in which the person is not annotated are empty, those in which it was missed are
        grey.
    """
    assignment = sequence.assignment
    is_switch = find_switches(assignment)
    num_people = int(assignment.true_tracks.max(initial=-1)) + 1
    num_frames = max(1, sequence.num_frames)
    width_in = float(np.clip(0.08 * num_frames, 7, 14))
    row_in = 0.3 if num_people <= 40 else 0.22
    height_in = row_in * max(2, num_people)
    figure, axes = _make_axes(width_in, height_in)
    segments = find_segments(assignment)
    _draw_segments(axes, segments, assignment.predicted_ids, frame_in=width_in / num_frames, row_in=row_in)
    # A black bar with white edges through the row, visible on every colour.
    x, y = assignment.frame_index[is_switch] - 0.5, assignment.true_tracks[is_switch]
    height_pt = 72 * height_in / max(2, num_people)
    axes.scatter(x, y, marker="|", s=height_pt**2, color="white", linewidths=4, zorder=3)
    axes.scatter(x, y, marker="|", s=height_pt**2, color="black", linewidths=2, zorder=4)
    axes.set(xlim=(-0.5, num_frames - 0.5), ylim=(max(2, num_people) - 0.5, -0.5))
    axes.set(xlabel="frame (of those with annotated people)", ylabel="true person\n(track id)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_yticks(np.arange(num_people), labels=assignment.true_ids[:num_people].tolist())
    axes.tick_params(axis="y", labelsize=8)
    num_switches = int(is_switch.sum())
    switches = f"{num_switches} switch{'' if num_switches == 1 else 'es'}"
    num_missed = int((assignment.predicted_tracks < 0).sum())
    missed = f"{num_missed} of {len(assignment.predicted_tracks)} poses missed"
    axes.set_title(f"{sequence.name}: id timeline, {switches}, {missed}{note}", parse_math=False)
    _add_legend(axes)
    return figure


def _draw_segments(
    axes: Axes, segments: IntArray, predicted_ids: IntArray, *, frame_in: float, row_in: float
) -> None:
    """Draw (S, 4) segments, and the ids of their tracks where there is space."""
    boxes = []
    for person, track, first, last in segments.tolist():
        half = 0.42 if track >= 0 else 0.15
        left, right = first - 0.5, last + 0.5
        boxes.append(
            [(left, person - half), (right, person - half), (right, person + half), (left, person + half)]
        )
        label = str(predicted_ids[track])
        if track >= 0 and (right - left) * frame_in > 0.09 * len(label) + 0.06:
            r, g, b = color_of(track)
            ink = "black" if 0.3 * r + 0.59 * g + 0.11 * b > 0.5 else "white"
            middle = (left + right) / 2
            axes.text(
                middle, person, label, color=ink, fontsize=8 if row_in > 0.25 else 7, ha="center", va="center"
            )
    colors = [color_of(track) for track in segments[:, 1].tolist()]
    axes.add_collection(PolyCollection(boxes, facecolors=colors, edgecolors="none"))


def _add_legend(axes: Axes) -> None:
    handles = [
        Patch(color=color_of(0), label="predicted track (track id)"),
        Patch(color=_MISSED_COLOR, label="missed"),
        Line2D(
            [], [], marker="|", markersize=10, markeredgewidth=2, color="black", linestyle="", label="switch"
        ),
    ]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, frameon=False)
