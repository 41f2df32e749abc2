"""`posetrack convert`: conversion of saved poses, dense poses and data sets to other formats."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from posetrack.annotations.convert import check_format, choose_out_dir, convert_annotations
from posetrack.cli.messages import start_logging
from posetrack.cli.options import make_min_score_option
from posetrack.cli.selection_options import IdOptions, RawOption, SelectionOptions
from posetrack.errors import PoseTrackError
from posetrack.results.convert import convert
from posetrack.results.dense_forms import DENSE_FORMS, export_dense
from posetrack.results.dense_sources import holds_dense
from posetrack.results.export import FORMATS
from posetrack.results.people import GROUND_TRUTH, KEEP_ALL
from posetrack.results.poses import find_poses
from posetrack.selection.people import PeopleSelection


def convert_command(
    people: SelectionOptions,
    ids: IdOptions,
    path: Annotated[
        Path,
        typer.Argument(
            help="A poses.jsonl, or the folder of a run; dense poses: an .npz, DensePose's JSON, Detectron2's "
            ".pkl or .pth; or a data set: a PoseTrack17, PoseTrack18 or COCO .json, or a folder of them.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help=f"One of {', '.join(FORMATS)}; for dense poses, also those of a poses.jsonl, "
            f"{', '.join(DENSE_FORMS)}; a data set becomes posetrack18, posetrack17 or coco.",
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
    ground_truth: Annotated[
        bool,
        typer.Option(
            "--ground-truth",
            help="Write saved poses that were corrected by hand as ground truth, for evaluation and training: "
            "posetrack18 or coco.",
        ),
    ] = False,
    min_keypoint_score: Annotated[
        float | None,
        make_min_score_option(
            "from what is written of saved poses", f"0; {GROUND_TRUTH.min_keypoint_score} with --ground-truth"
        ),
    ] = None,
    raw: RawOption = False,
) -> None:
    """Convert saved poses, dense poses or a data set to another format, without running networks."""
    start_logging(logging.WARNING)
    selection = ids.add_to(people.read())
    path = find_poses(path) if (path / "poses.jsonl").exists() else path
    is_dense = to in DENSE_FORMS or holds_dense(path)
    is_data_set = not is_dense and (path.is_dir() or path.suffix.lower() == ".json")
    if is_dense or is_data_set:
        _refuse_options_of_poses(selection, is_given=ground_truth or min_keypoint_score is not None or raw)
    if is_dense:
        print(export_dense(path, to, path.parent if out is None else out))
    elif is_data_set:
        check_format(to)
        for written in convert_annotations([path], to, choose_out_dir(path, to) if out is None else out):
            print(written)
    else:
        options = GROUND_TRUTH if ground_truth else KEEP_ALL
        if min_keypoint_score is not None:
            options = replace(options, min_keypoint_score=min_keypoint_score)
        print(convert(path, to, path.parent if out is None else out, options, selection=selection, raw=raw))


def _refuse_options_of_poses(selection: PeopleSelection, *, is_given: bool) -> None:
    """Raise PoseTrackError if options were given that only a poses.jsonl can be converted with."""
    if not selection.is_everyone:
        raise PoseTrackError(f"{selection}: chooses people from a poses.jsonl only; leave it out here")
    if is_given:
        raise PoseTrackError(
            "--ground-truth, --min-keypoint-score, --raw: for a poses.jsonl only; leave them out here"
        )
