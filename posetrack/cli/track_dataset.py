"""`posetrack track-dataset`: all sequences of PoseTrack tracked, written for its benchmark, and evaluated."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer
from rich.console import Console

from posetrack.cli.eval.metrics import write_metrics
from posetrack.cli.messages import print_error, start_logging, tell_loading
from posetrack.cli.options import (
    ComputeOptions,
    FpsOption,
    RecipeOptions,
    make_min_score_option,
    read_fps,
)
from posetrack.cli.output_options import TrackingOptions, choose_existing
from posetrack.cli.progress import RunProgress
from posetrack.cli.run_summary import print_summary
from posetrack.data_sets.given_boxes import read_given_boxes
from posetrack.data_sets.sequences import LabelledSequence, read_labelled_sequences
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.results.people import ExportOptions
from posetrack.run.report import RunReport
from posetrack.run.sources import open_source

if TYPE_CHECKING:
    from posetrack.predictors.networks import GivenBoxes
    from posetrack.recipe import Recipe
    from posetrack.run.job import Existing, Output
    from posetrack.run.tracker import Tracker

_RESULTS, _METRICS = "results", "metrics.json"


@dataclass(frozen=True)
class DataSetOptions:
    """Options of what is tracked."""

    PANEL: ClassVar[str] = "Data set"

    images: Annotated[
        Path,
        typer.Option(help="Folder that the names of images in the files are relative to.", show_default=False),
    ]
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Boxes in place of the recipe's detector: COCO detections, or a folder of PoseTrack files.",
            show_default="the detector's",
        ),
    ] = None
    min_box_score: Annotated[
        float | None,
        typer.Option(
            "--min-box-score",
            min=0,
            max=1,
            metavar="SCORE",
            help="Given boxes below this score are left out.",
            show_default="the detector's score_threshold in the recipe",
        ),
    ] = None
    image_fps: FpsOption = "25"

    def read_boxes(self, recipe: Recipe, sequences: list[LabelledSequence]) -> dict[str, GivenBoxes]:
        """The given boxes of each sequence, by name; of none, if none are given.

        Raises:
            PoseTrackError: They cannot be read, or options contradict one another.
        """
        if self.boxes is None:
            if self.min_box_score is not None:
                raise PoseTrackError("--min-box-score: is for given boxes; give some with --boxes")
            return {}
        min_score = self.min_box_score
        if min_score is None:
            min_score = getattr(recipe.detector, "score_threshold", 0.0)
        return read_given_boxes(self.boxes, sequences, min_score=min_score)


@dataclass(frozen=True)
class DataSetOutput:
    """Options of the output."""

    PANEL: ClassVar[str] = "Output"

    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write into.")] = Path("posetrack-out")
    min_keypoint_score: Annotated[
        float | None,
        make_min_score_option("from the results, and their evaluation; poses.jsonl has all", "the recipe's"),
    ] = None
    overlay: Annotated[bool, typer.Option("--overlay", help="Also write overlay.mp4 of each sequence.")] = False
    no_eval: Annotated[bool, typer.Option("--no-eval", help="Do not evaluate the results.")] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")] = False
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run; start the other sequences.")
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and the evaluation.")] = False

    @property
    def existing(self) -> Existing:
        """What to do with existing results.

        Raises:
            ResultsError: Both options are given.
        """
        return choose_existing(resume=self.resume, overwrite=self.overwrite)

    def place(self, sequence: LabelledSequence) -> Output:
        """Say what is written of a sequence."""
        from posetrack.run.job import Output

        return Output(self.out / sequence.name, has_overlay=self.overlay, existing=self.existing)

    def check(self, sequences: list[LabelledSequence]) -> None:
        """Find files in the way before networks run for hours.

        Raises:
            ResultsError: There are results already, or a sequence is called like a folder of them.
        """
        if any(sequence.name == _RESULTS for sequence in sequences):
            raise ResultsError(f"{_RESULTS}.json: the folder of results is called so; rename the sequence")
        there = [self.out / sequence.name / "poses.jsonl" for sequence in sequences]
        found = next((path for path in there if path.exists()), None)
        if found is not None and self.existing == "refuse":
            raise ResultsError(f"{found}: is there already; use --overwrite, --resume, or another --out")


def track_dataset_command(
    ground_truth: Annotated[
        Path,
        typer.Argument(
            metavar="GT",
            help="Folder of PoseTrack17 or PoseTrack18 files, one a sequence; or one of them.",
            show_default=False,
        ),
    ],
    data: DataSetOptions,
    recipe: RecipeOptions,
    compute: ComputeOptions,
    tracking: TrackingOptions,
    output: DataSetOutput,
) -> None:
    """Track people in all sequences of PoseTrack, write results as its benchmark takes them, and evaluate.

    In --out: results/NAME.json, to hand in; NAME/poses.jsonl of each sequence; metrics.json.
    """
    start_logging(logging.ERROR if output.quiet else logging.WARNING)
    settings, fps = recipe.read(), read_fps(data.image_fps)
    sequences = read_labelled_sequences(ground_truth, data.images)
    output.check(sequences)
    boxes = data.read_boxes(settings, sequences)
    if not output.quiet:
        tell_loading(settings)
    from posetrack.run.tracker import Tracker

    tracker = Tracker(
        settings,
        device=compute.device,
        engine=compute.engine,
        precision=compute.precision,
        batch_frames=tracking.batch,
        smooth=tracking.smooth,
    )
    _check_skeleton(tracker)
    min_score = output.min_keypoint_score
    options = ExportOptions(
        min_keypoint_score=settings.export.min_keypoint_score if min_score is None else min_score
    )

    def run(sequence: LabelledSequence, progress: RunProgress) -> RunReport:
        with open_source(tuple(map(str, sequence.images)), image_fps=fps) as video:
            return tracker.run_into(
                video,
                output.place(sequence),
                stitch=not tracking.no_stitch,
                progress=progress,
                boxes=boxes.get(sequence.name),
            )

    failed = _run_sequences(sequences, run, output, options)
    if failed:
        what = f"{len(failed)} of {len(sequences)} sequences failed, the first is {failed[0]}"
        print_error(PoseTrackError(f"{what}; not evaluated; run it again with --resume"))
        raise typer.Exit(1)
    if not output.no_eval:
        _evaluate(sequences, output.out)


def _check_skeleton(tracker: Tracker) -> None:
    """Raise ResultsError if the keypoints cannot become PoseTrack's, before a long run."""
    from posetrack.results.export import find_exporter

    find_exporter("posetrack18", tracker.skeleton)


def _run_sequences(
    sequences: list[LabelledSequence],
    run: Callable[[LabelledSequence, RunProgress], RunReport],
    output: DataSetOutput,
    options: ExportOptions,
) -> list[str]:
    """Run each sequence and write its results; returns the names of those that failed."""
    from posetrack.run.data_set import write_sequence_results

    console = Console(stderr=True, highlight=False)
    failed = []
    for sequence in sequences:
        try:
            with RunProgress(console, sequence.name, len(sequence.images), is_quiet=output.quiet) as progress:
                report = run(sequence, progress)
            poses = output.out / sequence.name / "poses.jsonl"
            written = write_sequence_results(sequence, poses, output.out / _RESULTS, options)
        except PoseTrackError as error:
            failed.append(sequence.name)
            print_error(error)
            continue
        if not output.quiet:
            print_summary(console, report)
            console.print(f"  {written}", markup=False, soft_wrap=True)
    return failed


def _evaluate(sequences: list[LabelledSequence], out: Path) -> None:
    """Print and write the metrics; of a test set, say that there are none."""
    from posetrack.cli.eval.posetrack import choose_num_workers, describe
    from posetrack.evaluation.posetrack.evaluate import Mode, evaluate_files
    from posetrack.evaluation.posetrack.report import make_tables

    unknown = [sequence for sequence in sequences if not sequence.is_annotated]
    if unknown:
        print(f"{unknown[0].file}: nobody is annotated in it, so that there is nothing to evaluate")
        return
    results = out / _RESULTS
    pairs = [(sequence.file, results / f"{sequence.name}.json") for sequence in sequences]
    workers = choose_num_workers(results)
    evaluation = evaluate_files(pairs, (Mode(),), num_workers=workers)[0]
    console = Console()
    for table in make_tables(evaluation):
        console.print(table, "")
    write_metrics(describe(evaluation), out / _METRICS)
    print(out / _METRICS)
