"""`posetrack eval posetrack`: AP, MOTA and HOTA on PoseTrack."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer
from rich.console import Console

from posetrack.cli.eval.metrics import check_matplotlib, check_metrics_file, write_metrics
from posetrack.cli.messages import start_logging
from posetrack.cli.options import make_min_score_option
from posetrack.cli.selection_options import RawOption
from posetrack.errors import ResultsError
from posetrack.evaluation.posetrack.evaluate import Mode, PoseTrackEvaluation, evaluate_in_modes
from posetrack.evaluation.posetrack.losses_report import (
    add_losses,
    describe_losses,
    make_cost_table,
    make_loss_tables,
)
from posetrack.evaluation.posetrack.metrics import NAMES
from posetrack.evaluation.posetrack.report import format_latex, make_tables
from posetrack.evaluation.posetrack.sweep import Sweep, sweep_keypoint_scores
from posetrack.evaluation.posetrack.sweep_report import describe_choice, make_sweep_tables


@dataclass(frozen=True)
class PoseTrackOutput:
    """Options of what is printed and written."""

    PANEL: ClassVar[str] = "Output"

    out: Annotated[Path | None, typer.Option(help="Write every number to this JSON file.")] = None
    per_sequence: Annotated[
        bool,
        typer.Option("--per-sequence", help="Also print one row per sequence."),
    ] = False
    losses: Annotated[
        bool,
        typer.Option(
            "--losses",
            help="Also print what MOTA is lost by: cause, keypoint, size of person; and what "
            "--min-keypoint-score costs.",
        ),
    ] = False
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX rows after the tables.")] = False
    plots: Annotated[
        Path | None,
        typer.Option(
            help="Draw curves, bars and id timelines here; needs pip install 'posetrack\\[plots]'.",
        ),
    ] = None

    def show(
        self,
        evaluation: PoseTrackEvaluation,
        sweep: Sweep | None,
        *,
        without: PoseTrackEvaluation | None,
        min_score: float,
        corrected: bool,
    ) -> None:
        """Print the tables, and LaTeX rows if they are wanted.

        Args:
            evaluation: The evaluation.
            sweep: That of several least keypoint scores.
            without: The evaluation of keypoints of any score, for what leaving some out costs.
            min_score: The least keypoint score of `evaluation`.
            corrected: Whether they are corrected.
        """
        console = Console()
        tables = make_tables(evaluation, corrected=corrected, per_sequence=self.per_sequence)
        losses = add_losses(evaluation) if self.losses else None
        if losses is not None:
            tables += make_loss_tables(losses, corrected=corrected)
        if without is not None:
            tables.append(make_cost_table(without, evaluation, min_score, corrected=corrected))
        for table in tables:
            console.print(table, "")
        if sweep is not None:
            for table in make_sweep_tables(sweep, corrected=corrected):
                console.print(table, "")
            console.print(describe_choice(sweep), "", markup=False, highlight=False)
        if self.latex:
            print(format_latex(evaluation.total, corrected=corrected))


@dataclass(frozen=True)
class KeypointScoreOptions:
    """Options of the score from which predicted keypoints count."""

    PANEL: ClassVar[str] = "Keypoint scores"

    min_keypoint_score: Annotated[float | None, make_min_score_option("from the predictions", "0")] = None
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep",
            help="Also evaluate with --min-keypoint-score 0, 0.05, ..., 0.95, and print AP and MOTA of each.",
        ),
    ] = False

    def check(self) -> None:
        """Raise ResultsError if the options contradict one another."""
        if self.sweep and self.min_keypoint_score is not None:
            raise ResultsError("--sweep: tries every least score; leave --min-keypoint-score out")


def posetrack_command(
    output: PoseTrackOutput,
    scores: KeypointScoreOptions,
    truth_dir: Annotated[
        Path, typer.Option("--gt", help="Folder of ground truth, one .json per sequence.", show_default=False)
    ],
    predictions_dir: Annotated[
        Path,
        typer.Option(
            "--pred",
            help="Folder of predictions: NAME.json of PoseTrack17 or 18, our NAME.jsonl or NAME/poses.jsonl.",
            show_default=False,
        ),
    ],
    corrected: Annotated[
        bool, typer.Option("--corrected", help="Repair the reference tool's quirks (docs/evaluation.md).")
    ] = False,
    raw: RawOption = False,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes.", show_default="one per core if worthwhile")
    ] = None,
) -> None:
    """Evaluate predicted poses and tracks on PoseTrack: AP, MOTA, MOTP, precision, recall and HOTA.

    The numbers are those of the reference tool, poseval.
    """
    start_logging(logging.WARNING)
    scores.check()
    check_metrics_file(output.out, [truth_dir, predictions_dir])
    if output.plots is not None:
        check_matplotlib()
    workers = workers or choose_num_workers(truth_dir, predictions_dir)
    min_score = scores.min_keypoint_score or 0.0
    modes = [Mode(False, min_score), *([Mode(True, min_score)] if corrected else [])]
    without = [Mode(corrected)] if output.losses and min_score else []
    evaluations = evaluate_in_modes(
        truth_dir, predictions_dir, (*modes, *without), num_workers=workers, raw=raw
    )
    shown = evaluations[len(modes) - 1]
    fields = describe(evaluations[0])
    if corrected:
        fields["corrected"] = describe(evaluations[1])
    if min_score:
        fields["min_keypoint_score"] = min_score
    sweep = None
    if scores.sweep:
        sweep = sweep_keypoint_scores(
            truth_dir, predictions_dir, corrected=corrected, num_workers=workers, raw=raw
        )
        fields["sweep"] = sweep.to_dict()
    losses = add_losses(shown) if output.losses else None
    if losses is not None:
        fields["losses"] = describe_losses(losses)
    output.show(
        shown, sweep, without=evaluations[-1] if without else None, min_score=min_score, corrected=corrected
    )
    if output.out is not None:
        write_metrics(fields, output.out)
    if output.plots is not None:
        from posetrack.evaluation.posetrack.plots import draw_plots

        for path in draw_plots(shown, output.plots, corrected=corrected):
            print(path)


def describe(evaluation: PoseTrackEvaluation) -> dict[str, object]:
    """All numbers in the layout of `metrics.json`; None where undefined."""
    return {
        "names": list(NAMES),
        **evaluation.total.to_dict(),
        "sequences": {name: metrics.to_dict() for name, metrics in evaluation.per_sequence.items()},
    }


_BYTES_WORTH_A_PROCESS = 12e6
"""A second process takes about half a second to start, in which one evaluates this many bytes."""


def choose_num_workers(*folders: Path) -> int:
    """Choose one process per core if there is enough to evaluate, else one."""
    num_bytes = sum(path.stat().st_size for folder in folders for path in folder.rglob("*.json*"))
    return min(os.cpu_count() or 1, 8) if num_bytes > _BYTES_WORTH_A_PROCESS else 1
