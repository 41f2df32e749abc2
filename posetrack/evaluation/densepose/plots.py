"""Plots of dense poses' evaluation: precision and recall, and AP by threshold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from posetrack.evaluation.densepose.evaluate import METRICS, DenseEvaluation
from posetrack.evaluation.densepose.matching import RECALLS, THRESHOLDS
from posetrack.results.files import cannot_write

_DPI = 100
_SHOWN = (0, 5, 8)
_STYLES = ("-", "--", ":")


def draw_plots(evaluation: DenseEvaluation, metrics: Sequence[str], out_dir: Path) -> list[Path]:
    """Draw all plots.

    Args:
        evaluation: The evaluation.
        metrics: The similarities it was made for, in their order.
        out_dir: Output folder, created if needed; existing files of the same names are replaced.

    Returns:
        The PNG files written: `precision_recall.png` and `ap_by_threshold.png`.

    Raises:
        ResultsError: A file or the folder cannot be written.
    """
    figures = {
        "precision_recall.png": draw_precision_recall(evaluation, metrics),
        "ap_by_threshold.png": draw_thresholds(evaluation, metrics),
    }
    paths = []
    for name, figure in figures.items():
        path = out_dir / name
        try:
            out_dir.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=_DPI, bbox_inches="tight")
        except OSError as error:
            raise cannot_write(path, error) from error
        paths.append(path)
    return paths


def draw_precision_recall(evaluation: DenseEvaluation, metrics: Sequence[str]) -> Figure:
    """Draw the curves of each similarity at thresholds of 0.5, 0.75 and 0.9."""
    figure = Figure(figsize=(7, 5.5))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for k, name in enumerate(metrics):
        for place, style in zip(_SHOWN, _STYLES, strict=True):
            precision = evaluation.curves.precision[k, 0, place]
            label = f"{METRICS[name]} {THRESHOLDS[place]:.2f}"
            shown = np.where(precision < 0, np.nan, 100 * precision)
            axes.plot(100 * RECALLS, shown, color=f"C{k}", linestyle=style, label=label)
    axes.set(xlim=(0, 100), ylim=(0, 102), xlabel="recall (%)", ylabel="precision at this or higher recall (%)")
    axes.set_title("Precision and recall of dense poses")
    axes.grid(alpha=0.3)
    axes.legend(title="threshold", loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)
    return figure


def draw_thresholds(evaluation: DenseEvaluation, metrics: Sequence[str]) -> Figure:
    """Draw AP of each similarity over its threshold."""
    figure = Figure(figsize=(7, 4))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for k, name in enumerate(metrics):
        values = np.array(evaluation.metrics[METRICS[name]]["AP_by_threshold"])
        label = f"{METRICS[name]}  {evaluation.metrics[METRICS[name]]['AP']:.1f}"
        axes.plot(THRESHOLDS, np.where(values < 0, np.nan, 100 * values), "o-", color=f"C{k}", label=label)
    axes.set(xlim=(0.48, 0.97), ylim=(0, 102), xlabel="threshold of the similarity", ylabel="AP (%)")
    axes.set_title("Average precision by threshold")
    axes.grid(alpha=0.3)
    axes.legend(title="mean AP (%)", frameon=False)
    return figure
