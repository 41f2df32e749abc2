"""Options of `posetrack eval pictures`: the people that count, and what is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from models.settings import suggest
from posetrack.errors import ResultsError
from posetrack.outputs import check_output_file

RECIPE, ANNOTATED = "recipe", "annotated"
"""Values of `--boxes` that are no files."""
DENSE = "densepose"
"""Kind of results that are dense poses."""
COCO, CROWDPOSE, MPII = "coco", "crowdpose", "mpii"
FORMATS = (COCO, CROWDPOSE, MPII)
"""Values of `--format`."""


@dataclass(frozen=True)
class PeopleOptions:
    """Which people are looked at, and how their numbers are computed."""

    PANEL: ClassVar[str] = "People"

    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Data set: coco; crowdpose, with AP by crowding; or mpii, in the annotated boxes, with PCKh.",
        ),
    ] = COCO
    boxes: Annotated[
        str,
        typer.Option(help="Boxes: those of the `recipe`'s detector, `annotated`, or COCO detections (JSON)."),
    ] = RECIPE
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Least score of people whom the detector finds; AP needs those of low scores too.",
            show_default="0.05 of detectors in two stages, else 0",
        ),
    ] = None
    first: Annotated[
        int | None, typer.Option(min=1, help="Use the first N images only.", show_default="all")
    ] = None

    def check_format(self, *, has_mesh: bool) -> None:
        """Raise ResultsError unless the format is known, and has dense poses where a mesh is given."""
        if self.form not in FORMATS:
            raise ResultsError(f"--format {self.form}: unknown; {suggest(self.form, FORMATS)}")
        if has_mesh and self.form == MPII:
            raise ResultsError("--mesh: MPII has no dense poses; leave it out")


@dataclass(frozen=True)
class PictureOutputs:
    """What is written besides the printed numbers."""

    PANEL: ClassVar[str] = "Output"

    results: Annotated[
        Path | None,
        typer.Option(
            help="Also write COCO results and dense poses, DIR/{keypoints,bbox,segm,densepose}.json, or MPII's "
            "DIR/pred.mat.",
            show_default="posetrack-out/<name of --gt>, of images without annotations",
        ),
    ] = None
    out: Annotated[
        Path | None, typer.Option(help="Also write the numbers, from 0 to 1, as JSON.", show_default=False)
    ] = None

    def choose_results(self, gt: Path, *, has_annotations: bool) -> PictureOutputs:
        """Choose a folder for the results of images that cannot be evaluated here, unless one is given."""
        if has_annotations or self.results is not None:
            return self
        return replace(self, results=Path("posetrack-out") / gt.stem)

    def check(self, inputs: list[Path]) -> None:
        """Check what is written at the end, before networks run for hours.

        Raises:
            ResultsError: It cannot be written, or is one of the inputs.
        """
        from posetrack.evaluation.coco import IOU_TYPES

        if self.out is not None:
            check_output_file(self.out, inputs)
        if self.results is not None:
            if self.results.exists() and not self.results.is_dir():
                raise ResultsError(
                    f"{self.results}: is a file, and the results need a folder; use another --results"
                )
            for kind in (*IOU_TYPES, DENSE):
                check_output_file(self.results / f"{kind}.json", inputs, "--results")
