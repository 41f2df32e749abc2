"""`posetrack convert`: other formats from saved poses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posetrack.results.convert import convert
from posetrack.results.export import FORMATS


def convert_command(
    file: Annotated[Path, typer.Argument(help="A poses.jsonl.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help=f"One of {', '.join(FORMATS)}.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write into.", show_default="the folder of FILE")
    ] = None,
) -> None:
    """Write saved poses in another format, without running any network."""
    print(convert(file, to, file.parent if out is None else out))
