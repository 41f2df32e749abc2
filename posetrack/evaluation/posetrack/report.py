"""Tables of an evaluation: for the terminal, and as LaTeX rows, both with the columns of the papers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rich.box import Box
from rich.table import Table
from rich.text import Text

from posetrack.evaluation.posetrack.evaluate import PoseTrackEvaluation
from posetrack.evaluation.posetrack.metrics import COLUMNS, PoseTrackMetrics, summarize

CORRECTED_NOTE = "(corrected: not comparable with published numbers)"
"""Goes with every number that the reference tool would not give."""

UNDEFINED = "-"

# A line below the heading and one above the total; columns are parted by one space, so that twelve of them and
# the name of a sequence stand in 80 columns.
_BOX = Box("    \n    \n ── \n    \n ── \n ── \n    \n    \n")


@dataclass(frozen=True)
class _Report:
    """What one table shows.

    Attributes:
        title: Above the table.
        short: Names it in LaTeX.
        by_joint: The measure that stands in the papers' columns.
        totals: Measures of which the total follows, by their headings.
        caption: Below the table.
    """

    title: str
    short: str
    by_joint: str
    totals: dict[str, str]
    caption: str | None = None

    @property
    def headings(self) -> list[str]:
        """Of all its numbers."""
        return [*COLUMNS, *self.totals]

    def numbers(self, metrics: PoseTrackMetrics) -> list[str]:
        """Each of them as it is shown."""
        columns = summarize(getattr(metrics, self.by_joint))
        totals = [float(getattr(metrics, name)[-1]) for name in self.totals.values()]
        return [format_percent(value) for value in (*columns.values(), *totals)]


_AP = _Report("Average precision (AP)", "AP", "ap", {})
_MOT = _Report(
    "Multiple object tracking (MOTA)",
    "MOTA",
    "mota",
    {"MOTP": "motp", "Prec": "mot_precision", "Rec": "mot_recall"},
    "MOTA by joint; MOTP, Prec and Rec in total",
)
_HOTA = _Report(
    "HOTA",
    "HOTA",
    "hota",
    {"DetA": "deta", "AssA": "assa", "FragA": "fraga", "FA-HOTA": "fa_hota"},
    "HOTA by joint; the others in total",
)


def format_percent(value: float) -> str:
    """Write a number as papers do, with one decimal.

    Args:
        value: In percent; NaN is undefined. MOTA has no lower bound: -1000 and below lose the decimal.

    Returns:
        At most 6 characters above -100,000.
    """
    if math.isnan(value):
        return UNDEFINED
    # Rounded first: -0.04 is 0.0, not -0.0.
    return f"{value:.0f}" if value <= -999.95 else f"{round(value, 1) + 0.0:.1f}"


def make_tables(
    evaluation: PoseTrackEvaluation, *, corrected: bool = False, per_sequence: bool = False
) -> list[Table]:
    """Make the tables that papers print: AP, MOTA and HOTA.

    Args:
        evaluation: What to show.
        corrected: Whether it was made so; every title then says that it compares with nothing published.
        per_sequence: Also a row a sequence, above that of all together.

    Returns:
        The three tables, in percent; the first alone where some sequence has no track ids.
    """
    tables = [_make_table(_AP, evaluation, corrected, per_sequence)]
    untracked = sum(sequence.counts.mot is None for sequence in evaluation.sequences)
    if not untracked:
        return tables + [_make_table(report, evaluation, corrected, per_sequence) for report in (_MOT, _HOTA)]
    whole = untracked == len(evaluation.sequences)
    where = "" if whole else f" in {untracked} of {len(evaluation.sequences)} sequences"
    tables[0].caption = f"no track ids{where}: AP only"
    return tables


def _make_table(report: _Report, evaluation: PoseTrackEvaluation, corrected: bool, per_sequence: bool) -> Table:
    table = Table(
        title=f"{report.title} {CORRECTED_NOTE}" if corrected else report.title,
        caption=report.caption,
        title_justify="left",
        caption_justify="left",
        box=_BOX,
        show_edge=False,
        padding=0,
    )
    if per_sequence:
        table.add_column("Sequence", overflow="fold")
    for heading in report.headings:
        # The longest heading stands on two lines.
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
    r"""Write the rows of a LaTeX table, as the reference tool prints them, and those of HOTA.

    Args:
        metrics: Usually the total.
        corrected: Whether they were made so; the comments then say it.

    Returns:
        For each of AP, MOTA and HOTA a comment, a row of headings and a row of numbers (`& 1.0 & 2.0 \\`); the
        first column is left to the name of the method.
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
