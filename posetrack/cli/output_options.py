"""Options of `posetrack run`: of the processing, and of what is written where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from posetrack.cli.options import complete_format, make_min_score_option
from posetrack.errors import ResultsError
from posetrack.outputs import make_folder_name
from posetrack.predictors.settings import MOST_AT_ONCE
from posetrack.results.dense_forms import DENSE_FORMS, find_dense_form
from posetrack.results.export import FORMATS, find_exporter
from posetrack.skeleton import Skeleton

if TYPE_CHECKING:
    from posetrack.recipe import Recipe
    from posetrack.run.job import Existing, Output
    from posetrack.run.view import DrawnView

OUT = Path("posetrack-out")
"""The folder of results, unless another one is given."""


@dataclass(frozen=True)
class TrackingOptions:
    """Options of the processing, besides the recipe."""

    PANEL: ClassVar[str] = "Tracking"

    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_AT_ONCE,
            metavar="N",
            help="Frames per call of the detector.",
            show_default="the recipe's",
        ),
    ] = None
    smooth: Annotated[bool, typer.Option("--smooth", help="Smooth keypoints over time, without lag.")] = False
    no_stitch: Annotated[
        bool, typer.Option("--no-stitch", help="Keep tracks as they are: join none, drop none, fill no gaps.")
    ] = False


@dataclass(frozen=True)
class OutputOptions:
    """Options of the output."""

    PANEL: ClassVar[str] = "Output"

    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder to write into; with several sources, one folder below it for each.",
            show_default="posetrack-out/<name>",
        ),
    ] = None
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"Also write {', '.join(FORMATS)}; may be repeated.",
            show_default=False,
            autocompletion=complete_format,
        ),
    ] = None
    min_keypoint_score: Annotated[
        float | None,
        make_min_score_option("from these formats; poses.jsonl has all", "the recipe's"),
    ] = None
    dense_out: Annotated[
        Path | None,
        typer.Option(
            "--dense-out",
            metavar="FOLDER",
            help="Folder for dense poses, one .npz for each source.",
            show_default="the folder of the results",
        ),
    ] = None
    dense_formats: Annotated[
        list[str] | None,
        typer.Option(
            "--dense-format",
            metavar="FORMAT",
            help=f"Also write dense poses as {' or '.join(name for name in DENSE_FORMS if name != 'npz')}.",
            show_default=False,
        ),
    ] = None
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet",
            metavar="FILE",
            help="Also write a PNG with a row for each person, at most 60, over time; in the folder of the "
            "results, if FILE is a name alone.",
            show_default=False,
        ),
    ] = None
    no_video: Annotated[bool, typer.Option("--no-video", help="Do not write overlay.mp4.")] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")] = False
    resume: Annotated[bool, typer.Option("--resume", help="Continue interrupted runs; start the others.")] = (
        False
    )
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit with 1 if images of a source are missing or damaged; all is written anyway."
        ),
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False

    def check_formats(self, skeleton: Skeleton) -> None:
        """Find mistakes in the names of formats before a long run.

        Raises:
            ResultsError: There is no such format, or it cannot hold the skeleton.
        """
        for name in self.formats or ():
            find_exporter(name, skeleton)
        for name in self.dense_formats or ():
            find_dense_form(name)

    def place(self, recipe: Recipe, view: DrawnView, folder: Path, *, is_alone: bool) -> Output:
        """Say what is written where.

        Args:
            recipe: The recipe.
            view: What the annotated video shows.
            folder: Folder of one source's results.
            is_alone: Whether there is one source; otherwise dense poses have the name of the folder.

        Raises:
            ResultsError: Options contradict one another.
        """
        from posetrack.run.job import Output

        dense = self.dense_out
        if dense is not None and not is_alone:
            dense /= f"{folder.name}.npz"
        return Output(
            folder,
            tuple(dict.fromkeys(self.formats or ())),
            not self.no_video,
            self.existing,
            view,
            dense=dense,
            dense_forms=tuple(dict.fromkeys(self.dense_formats or ())),
            min_keypoint_score=(
                recipe.export.min_keypoint_score if self.min_keypoint_score is None else self.min_keypoint_score
            ),
        )

    def place_sheet(self, folder: Path, *, is_alone: bool) -> Path | None:
        """Say where the contact sheet goes; None if there is none.

        Args:
            folder: Folder of one source's results.
            is_alone: Whether there is one source.

        Raises:
            ResultsError: All sources would write the same file.
        """
        if self.sheet is None or self.sheet.parent == Path():
            return None if self.sheet is None else folder / self.sheet
        if not is_alone:
            raise ResultsError(
                f"--sheet {self.sheet}: the same for several sources; give a name without a folder"
            )
        return self.sheet

    @property
    def existing(self) -> Existing:
        """What to do with existing results.

        Raises:
            ResultsError: Both options are given.
        """
        return choose_existing(resume=self.resume, overwrite=self.overwrite)


def choose_existing(*, resume: bool, overwrite: bool) -> Existing:
    """What `--resume` and `--overwrite` do with existing results.

    Raises:
        ResultsError: Both are given.
    """
    if resume and overwrite:
        raise ResultsError("--resume: keeps what --overwrite would replace; give one of them")
    return "resume" if resume else "overwrite" if overwrite else "refuse"


def choose_folder(out: Path | None, name: str, *, is_alone: bool, taken: set[Path]) -> Path:
    """Choose the folder of one source's results; two sources of the same name get two folders.

    Args:
        out: The folder that the user named.
        name: Name of the source.
        is_alone: Whether there is one source.
        taken: Folders of other sources; that of this one is added.
    """
    if out is not None and is_alone:
        return out
    folder = first = (out or OUT) / make_folder_name(name)
    number = 2
    while folder in taken:
        folder = first.with_name(f"{name}-{number}")
        number += 1
    taken.add(folder)
    return folder
