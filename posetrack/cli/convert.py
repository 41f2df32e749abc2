"""`posetrack convert`: conversion of saved poses, dense poses and data sets to other formats."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from models.settings import suggest
from posetrack.annotations.convert import (
    COCO,
    ENCODERS,
    check_format,
    choose_out_dir,
    convert_annotations,
)
from posetrack.cli.foreign_options import OtherPosesOptions
from posetrack.cli.messages import start_logging
from posetrack.cli.options import make_min_score_option
from posetrack.cli.selection_options import IdOptions, RawOption, SelectionOptions
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.foreign.base import ForeignOptions
from posetrack.foreign.kinds import KINDS, is_foreign
from posetrack.json_fields import begins_as_list
from posetrack.results.convert import convert
from posetrack.results.dense_forms import DENSE_FORMS, export_dense
from posetrack.results.dense_sources import holds_dense
from posetrack.results.export import FORMATS
from posetrack.results.files import cannot_write
from posetrack.results.people import GROUND_TRUTH, KEEP_ALL, ExportOptions
from posetrack.results.poses import find_poses
from posetrack.selection.people import PeopleSelection

POSES = "poses"
"""The name of our own format, to which poses of other programs can be converted."""

_BEGIN_BYTES = 1024


@dataclass(frozen=True)
class ConvertedPosesOptions(OtherPosesOptions):
    """Options of what poses of other programs do not say, with their video."""

    video: Annotated[
        str | None,
        typer.Option(
            metavar="VIDEO",
            help="Video of poses of another program, for the size and the time of each frame.",
            show_default=False,
        ),
    ] = None

    def refuse(self, path: Path) -> None:
        """Raise PoseTrackError if one was given."""
        if self.video is not None and path.exists():
            raise PoseTrackError(f"{path}: --video: for poses of other programs only; leave it out here")
        super().refuse(path)


@dataclass(frozen=True)
class SavedPosesOptions:
    """Options of the conversion of poses, not of data sets."""

    PANEL: ClassVar[str] = "Saved poses"

    ground_truth: Annotated[
        bool,
        typer.Option(
            "--ground-truth",
            help="Write saved poses that were corrected by hand as ground truth, for evaluation and training: "
            "posetrack18 or coco.",
        ),
    ] = False
    min_keypoint_score: Annotated[
        float | None,
        make_min_score_option(
            "from what is written of saved poses", f"0; {GROUND_TRUTH.min_keypoint_score} with --ground-truth"
        ),
    ] = None
    raw: RawOption = False

    @property
    def is_given(self) -> bool:
        """Whether any was given."""
        return self != SavedPosesOptions()

    def read(self) -> ExportOptions:
        """The thresholds."""
        options = GROUND_TRUTH if self.ground_truth else KEEP_ALL
        if self.min_keypoint_score is None:
            return options
        return replace(options, min_keypoint_score=self.min_keypoint_score)


def convert_command(
    people: SelectionOptions,
    ids: IdOptions,
    others: ConvertedPosesOptions,
    saved: SavedPosesOptions,
    path: Annotated[
        Path,
        typer.Argument(
            help="A poses.jsonl, or the folder of a run; dense poses: an .npz, DensePose's JSON, Detectron2's "
            ".pkl or .pth; a data set: a PoseTrack17, PoseTrack18 or COCO .json, or a folder of them; or poses "
            f"of another program: {KINDS}.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help=f"One of {', '.join(FORMATS)}; for dense poses, also those of a poses.jsonl, "
            f"{', '.join(DENSE_FORMS)}; of another program's, also {POSES}, a poses.jsonl; a folder of a data "
            "set becomes posetrack18, posetrack17 or coco.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write into.",
            show_default="the folder of the file; a new one named like the format beside a data set",
        ),
    ] = None,
) -> None:
    """Convert saved poses, dense poses or a data set to another format, without running networks."""
    start_logging(logging.WARNING)
    selection = ids.add_to(people.read())
    path = find_poses(path) if (path / "poses.jsonl").exists() else path
    is_dense = to in DENSE_FORMS or holds_dense(path)
    if not is_dense and _is_other(path, to):
        print(_convert_other(path, to, out, saved.read(), others.read(others.video), selection))
        return
    others.refuse(path)
    is_data_set = not is_dense and (path.is_dir() or path.suffix.lower() == ".json")
    if is_dense or is_data_set:
        _refuse_options_of_poses(selection, is_given=saved.is_given)
    folder = path.parent if out is None else out
    if is_dense:
        print(export_dense(path, to, folder))
    elif is_data_set:
        check_format(to)
        for written in convert_annotations([path], to, choose_out_dir(path, to) if out is None else out):
            print(written)
    else:
        print(convert(path, to, folder, saved.read(), selection=selection, raw=saved.raw))


def _is_other(path: Path, to: str) -> bool:
    """Whether a path is read as poses of another program: whole data sets are converted to those formats."""
    if not is_foreign(path):
        return False
    return path.is_dir() or path.suffix.lower() == ".txt" or to not in (*ENCODERS, COCO) or _is_list(path)


def _is_list(path: Path) -> bool:
    """Whether a file of JSON is a list, as results are; data sets are objects."""
    try:
        with path.open("rb") as file:
            return begins_as_list(file.read(_BEGIN_BYTES))
    except OSError:
        return False


def _convert_other(
    path: Path,
    to: str,
    out: Path | None,
    options: ExportOptions,
    said: ForeignOptions,
    selection: PeopleSelection,
) -> Path:
    """Convert poses of another program, by way of a poses.jsonl."""
    from posetrack.foreign.save import import_poses, open_as_poses

    folder = (path.resolve() if path.is_dir() else path).parent if out is None else out
    if to == POSES:
        if not selection.is_everyone or options != KEEP_ALL:
            raise PoseTrackError(f"--to {POSES}: keeps everything; choose people when it is converted or drawn")
        target = folder / "poses.jsonl"
        if target.exists():
            raise ResultsError(f"{target}: is there already; use another --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return import_poses(path, target, said)
    if to not in FORMATS:
        raise ResultsError(f"unknown format '{to}'; {suggest(to, (POSES, *FORMATS))}")
    with open_as_poses(path, said) as poses:
        return convert(poses, to, folder, options, selection=selection)


def _refuse_options_of_poses(selection: PeopleSelection, *, is_given: bool) -> None:
    """Raise PoseTrackError if options were given that only a poses.jsonl can be converted with."""
    if not selection.is_everyone:
        raise PoseTrackError(f"{selection}: chooses people from a poses.jsonl only; leave it out here")
    if is_given:
        raise PoseTrackError(
            "--ground-truth, --min-keypoint-score, --raw: for a poses.jsonl only; leave them out here"
        )
