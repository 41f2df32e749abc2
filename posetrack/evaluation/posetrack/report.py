"""Tables of an evaluation, for the terminal and as LaTeX rows, with the columns of the papers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rich.box import Box
from rich.table import Table
from rich.text import Text

from posetrack.evaluation.posetrack.evaluate import PoseTrackEvaluation
from posetrack.evaluation.posetrack.metrics import COLUMNS, PoseTrackMetrics, summarize

CORRECTED_NOTE = "(corrected: not comparable with published numbers)"
"""Added to all numbers that differ from the reference tool's."""

UNDEFINED = "-"

_TEXT_HEADINGS = ("Keypoint", "Person", "")

# A line below the heading and one above the total; one space between columns, so that twelve of them and the
# name of a sequence fit into 80 columns.
_BOX = Box("    \n    \n ── \n    \n ── \n ── \n    \n    \n")


@dataclass(frozen=True)
class _Report:
    """The content of one table.

    Attributes:
        title: Title above the table.
        short: Name in LaTeX.
        by_joint: The metric shown in the papers' columns.
        totals: Metrics of which the total is shown, by their headings.
        caption: Text below the table.
    """

    title: str
    short: str
    by_joint: str
    totals: dict[str, str]
    caption: str | None = None

    @property
    def headings(self) -> list[str]:
        """The headings of all columns."""
        return [*COLUMNS, *self.totals]

    def numbers(self, metrics: PoseTrackMetrics) -> list[str]:
        """The formatted values of all columns."""
        columns = summarize(getattr(metrics, self.by_joint))
        totals = [float(getattr(metrics, name)[-1]) for name in self.totals.values()]
        return [format_percent(value) for value in (*columns.values(), *totals)]


_AP = _Report("Average precision (AP)", "AP", "ap", {})
_MOT = _Report(
    "Multiple object tracking (MOTA)",
    "MOTA",
    "mota",
    {"MOTP": "motp", "Prec": "mot_precision", "Rec": "mot_recall"},
    "MOTA by keypoint; MOTP, Prec and Rec in total",
)
_HOTA = _Report(
    "HOTA",
    "HOTA",
    "hota",
    {"DetA": "deta", "AssA": "assa", "FragA": "fraga", "FA-HOTA": "fa_hota"},
    "HOTA by keypoint; the others in total",
)


def format_percent(value: float) -> str:
    """Format a number as in papers, with one decimal.

    Args:
        value: In percent; NaN if undefined. MOTA has no lower bound: from -1000 down it is shown without
            decimals.

    Returns:
        At most 6 characters above -100,000.
    """
    if math.isnan(value):
        return UNDEFINED
    # Rounded first, so that -0.04 gives 0.0, not -0.0.
    return f"{value:.0f}" if value <= -999.95 else f"{round(value, 1) + 0.0:.1f}"


def make_tables(
    evaluation: PoseTrackEvaluation, *, corrected: bool = False, per_sequence: bool = False
) -> list[Table]:
    """Make the tables of the papers: AP, MOTA and HOTA.

    Args:
        evaluation: The evaluation.
        corrected: Whether it is corrected; the titles then say that it is not comparable with published
            numbers.
        per_sequence: Whether to add one row per sequence.

    Returns:
        The three tables, in percent; only the first if some sequence has no track ids.
    """
    tables = [_make_table(_AP, evaluation, corrected, per_sequence)]
    untracked = sum(sequence.counts.mot is None for sequence in evaluation.sequences)
    if not untracked:
        return tables + [_make_table(report, evaluation, corrected, per_sequence) for report in (_MOT, _HOTA)]
    whole = untracked == len(evaluation.sequences)
    where = "" if whole else f" in {untracked} of {len(evaluation.sequences)} sequences"
    tables[0].caption = f"no track ids{where}: AP only"
    return tables


def make_plain_table(title: str, caption: str | None = None) -> Table:
    """Make a table without columns in the style of all tables here."""
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=_BOX,
        show_edge=False,
        padding=0,
    )


def make_titled_table(title: str, headings: Iterable[str]) -> Table:
    """Make a table of numbers with these headings; those of texts are on the left."""
    table = make_plain_table(title)
    for heading in headings:
        justify: Literal["left", "right"] = "left" if heading in _TEXT_HEADINGS else "right"
        table.add_column(heading, justify=justify, vertical="bottom", no_wrap=True)
    return table


def _make_table(report: _Report, evaluation: PoseTrackEvaluation, corrected: bool, per_sequence: bool) -> Table:
    title = f"{report.title} {CORRECTED_NOTE}" if corrected else report.title
    table = make_plain_table(title, report.caption)
    if per_sequence:
        table.add_column("Sequence", overflow="fold")
    for heading in report.headings:
        # The longest heading takes two lines.
        table.add_column(heading.replace("-", "-\n"), justify="right", vertical="bottom", no_wrap=True)
    if per_sequence:
        for name, metrics in evaluation.per_sequence.items():
            table.add_row(Text(name), *report.numbers(metrics))
        table.add_section()
        table.add_row("total", *report.numbers(evaluation.total))
    else:
        table.add_row(*report.numbers(evaluation.total))
    return table


def format_latex(metrics: PoseTrackMetrics, *, corrected: bool = False) -> str:
    r"""Format the rows of a LaTeX table as the reference tool prints them, with HOTA added.

    Args:
        metrics: Usually the total.
        corrected: Whether they are corrected; the comments then say so.

    Returns:
        For each of AP, MOTA and HOTA a comment, a row of headings and a row of numbers (`& 1.0 & 2.0 \\`); the
        first column is left for the name of the method.
    """
    lines = []
    for report in (_AP, _MOT, _HOTA):
        lines.append(f"% {report.short}{f' {CORRECTED_NOTE}' if corrected else ''}, percent")
        headings, numbers = report.headings, report.numbers(metrics)
        widths = [max(map(len, column)) for column in zip(headings, numbers, strict=True)]
        for row in (headings, numbers):
            cells = " & ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
            lines.append(rf"& {cells} \\")
    return "\n".join(lines)
