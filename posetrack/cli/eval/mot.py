"""`posetrack eval mot`: MOTA, IDF1 and HOTA of tracked boxes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from posetrack.cli.eval.metrics import check_metrics_file, format_percent, write_metrics
from posetrack.cli.messages import start_logging
from posetrack.cli.options import check_finite
from posetrack.cli.selection_options import RawOption

if TYPE_CHECKING:
    from posetrack.evaluation.mot.evaluate import BoxEvaluation, BoxMetrics

_FRACTIONS = {
    "MOTA": "mota",
    "IDF1": "idf1",
    "HOTA": "hota",
    "DetA": "deta",
    "AssA": "assa",
    "MOTP": "motp",
    "IDP": "idp",
    "IDR": "idr",
}
_COUNTS = {
    "switches": "switches",
    "ids": "ids",
    "short ids": "short_ids",
    "people": "people",
    "FP": "false_positives",
    "FN": "misses",
}


def mot_command(
    gt: Annotated[
        Path,
        typer.Option(
            "--gt",
            help="MOTChallenge's gt.txt, or a folder: NAME/gt/gt.txt or NAME.gt.txt.",
            show_default=False,
        ),
    ],
    pred: Annotated[
        Path,
        typer.Option(
            "--pred",
            help="mot.txt or poses.jsonl, or a folder: NAME.txt, NAME.jsonl or NAME/poses.jsonl.",
            show_default=False,
        ),
    ],
    iou: Annotated[
        float,
        typer.Option(min=0.01, max=1, callback=check_finite, help="Least IoU of a match for MOTA and IDF1."),
    ] = 0.5,
    raw: RawOption = False,
    out: Annotated[
        Path | None, typer.Option(help="Also write the numbers, from 0 to 1, as JSON.", show_default=False)
    ] = None,
) -> None:
    """Evaluate tracked boxes as MOTChallenge does: MOTA, IDF1 and HOTA. Needs the extra `mot`."""
    from posetrack.evaluation.mot.evaluate import evaluate_mot, import_motmetrics
    from posetrack.evaluation.mot.pairs import pair_sequences

    start_logging(logging.WARNING)
    check_metrics_file(out, [gt, pred])
    import_motmetrics()
    evaluation = evaluate_mot(pair_sequences(gt, pred), min_iou=iou, raw=raw)
    if out is not None:
        write_metrics(describe(evaluation, iou), out)
    rows = dict(evaluation.per_sequence)
    if len(rows) > 1:
        rows["pooled"] = evaluation.pooled
    console = Console(highlight=False)
    console.print(_make_table(f"Boxes, IoU {iou:g} (percent)", _FRACTIONS, rows))
    console.print(_make_table("Boxes (counts; short ids: under 8 frames)", _COUNTS, rows))


def describe(evaluation: BoxEvaluation, iou: float) -> dict[str, object]:
    """All numbers, pooled and of each sequence; None where undefined."""
    return {
        "iou": iou,
        **evaluation.pooled.to_dict(),
        "sequences": {name: metrics.to_dict() for name, metrics in evaluation.per_sequence.items()},
    }


def _make_table(title: str, columns: Mapping[str, str], rows: Mapping[str, BoxMetrics]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("sequence", overflow="fold")
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, metrics in rows.items():
        if name == "pooled":
            table.add_section()
        values = [getattr(metrics, field) for field in columns.values()]
        cells = [format_percent(value) if columns is _FRACTIONS else str(value) for value in values]
        table.add_row(Text(name), *cells)
    return table
