"""`posetrack check`: what is wrong with a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from posetrack.data_sets.check import DataSetReport, PartReport
    from posetrack.data_sets.findings import Finding


def check_command(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="COCO, CrowdPose, PoseTrack or MPII .json, a folder of them, or one of images by class. "
            "Several are also compared with each other.",
            show_default=False,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder that the names of images are relative to.", show_default="looked for"),
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Decode every image, instead of reading headers: slow.")
    ] = False,
) -> None:
    """Check the images and annotations of a data set; exit code 1 when something is wrong."""
    from posetrack.data_sets.check import check_data_sets

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("images", total=None)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        found = check_data_sets(data, images, decoded=decode, report=show)
    _print_report(found)
    if not found.is_fine:
        raise typer.Exit(1)


def _print_report(report: DataSetReport) -> None:
    console = Console(highlight=False)
    console.print(_make_parts_table(report.parts))
    posed = [part for part in report.parts if part.counts.names]
    for names in dict.fromkeys(tuple(part.counts.names) for part in posed):
        alike = [part for part in posed if tuple(part.counts.names) == names]
        known = [sum(column) for column in zip(*(part.counts.known for part in alike), strict=True)]
        people = sum(part.counts.people for part in alike)
        console.print(
            Text(f"Known points of {people} people: ")
            + Text(", ".join(f"{name} {count}" for name, count in zip(names, known, strict=True))),
            soft_wrap=True,
        )
    for finding in report.findings:
        console.print(_describe(finding), soft_wrap=True)
    faults = sum(finding.is_fault for finding in report.findings)
    print(f"{faults} kind{'s' * (faults > 1)} of faults" if faults else "no faults")


def _make_parts_table(parts: tuple[PartReport, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("part", overflow="fold")
    # Few data sets have dense annotations: the others need no column of zeros.
    dense = ("with DensePose",) if any(part.counts.dense for part in parts) else ()
    for heading in ("images", "sizes", "people", "with keypoints", *dense, "crowds"):
        table.add_column(heading, justify="right")
    for part in parts:
        sizes = " to ".join(dict.fromkeys(part.sizes[name] for name in ("smallest", "largest") if part.sizes))
        counts = part.counts
        numbers = (counts.people, counts.posed, *(counts.dense for _ in dense), counts.crowds)
        table.add_row(Text(part.name), str(part.images), sizes or "-", *map(str, numbers))
    return table


def _describe(finding: Finding) -> Text:
    label = Text("fault ", "red") if finding.is_fault else Text("note  ", "yellow")
    more = ", ..." if finding.count > len(finding.examples) else ""
    return label + Text(f"{finding.count} {finding.kind}: {'; '.join(finding.examples)}{more}")
