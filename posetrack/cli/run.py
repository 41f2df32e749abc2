"""`posetrack run`: annotated videos and files of tracked poses from videos."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from posetrack.cli.draw_options import DrawOptions
from posetrack.cli.hints import check_is_for_run
from posetrack.cli.messages import print_error, start_logging, tell_loading
from posetrack.cli.options import ComputeOptions, RecipeOptions
from posetrack.cli.output_options import OUT, OutputOptions, TrackingOptions, choose_folder
from posetrack.cli.people_table import print_people
from posetrack.cli.progress import RunProgress
from posetrack.cli.run_summary import describe_losses, print_summary
from posetrack.cli.selection_options import SelectionOptions
from posetrack.cli.worker_options import SourceOptions
from posetrack.errors import PoseTrackError, VideoError
from posetrack.run.report import RunInterrupted, RunReport
from posetrack.run.sources import open_source
from posetrack.video.base import VideoSource
from posetrack.video.source import Source, group_sources, read_lists

if TYPE_CHECKING:
    from posetrack.run.job import Output
    from posetrack.run.sources import Part


def run_command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Videos, folders or glob patterns; URLs; a .txt file with one of these a line.",
            show_default=False,
        ),
    ],
    recipe: RecipeOptions,
    compute: ComputeOptions,
    tracking: TrackingOptions,
    people: SelectionOptions,
    part: SourceOptions,
    output: OutputOptions,
    drawing: DrawOptions,
) -> None:
    """Track people: writes poses.jsonl, overlay.mp4 and other formats for each source."""
    level = logging.ERROR if output.quiet else logging.WARNING
    start_logging(level)
    sources = read_lists(sources)
    check_is_for_run(sources)
    _, settings, wanted, selection = output.existing, recipe.read(), part.read(), people.read()
    place = partial(output.place, settings, drawing.make_view(drawing.make_style(settings)))
    part.check_workers()
    groups = group_sources(sources)
    if part.is_spread:
        part.check_sources(groups)
    if not output.quiet:
        tell_loading(settings)
    from posetrack.recipe import find_skeleton
    from posetrack.workers.task import TrackerSettings

    loadable = TrackerSettings(
        settings,
        device=compute.device,
        engine=compute.engine,
        precision=compute.precision,
        batch_frames=tracking.batch,
        smooth=tracking.smooth,
        selection=selection,
        stitch=not tracking.no_stitch,
        log_level=level,
    )
    output.check_formats(find_skeleton(settings))
    make_runner = partial(part.make_runner, output.out or OUT)
    if part.split is not None:
        from posetrack.cli.split import SplitBatch
        from posetrack.workers.split import check_split

        check_split(part.split, settings, selection, blurs_faces=drawing.blur_faces)
        batch = SplitBatch(groups, wanted, output, place, settings=loadable, split_s=part.split)
        all_well = batch.run_parts(make_runner)
    elif part.is_spread:
        from posetrack.cli.many import Batch

        all_well = Batch(groups, wanted, output, place).run(make_runner(loadable))
    else:
        run = partial(loadable.load().run_into, stitch=loadable.stitch)
        all_well = _run_sources(run, groups, wanted, output, place)
    if not all_well:
        raise typer.Exit(1)


def _run_sources(
    run: Callable[..., RunReport],
    groups: Sequence[Source],
    part: Part,
    output: OutputOptions,
    place: Callable[..., Output],
) -> bool:
    """Run each source; failures are reported and the others continue. Returns whether all succeeded."""
    all_well = True
    taken: set[Path] = set()
    for group in groups:
        try:
            with open_source(group, **part) as video:
                is_alone = len(groups) == 1
                folder = choose_folder(output.out, video.info.name, is_alone=is_alone, taken=taken)
                sheet = output.place_sheet(folder, is_alone=is_alone)
                where = place(folder, is_alone=is_alone)
                report = _run_one(run, video, where, sheet, is_quiet=output.quiet)
                if output.strict and not report.is_source_whole:
                    all_well = False
                    print_error(VideoError(f"{describe_losses(report)} (--strict)"))
        except PoseTrackError as error:
            all_well = False
            print_error(error)
    return all_well


def _run_one(
    run: Callable[..., RunReport], video: VideoSource, output: Output, sheet: Path | None, *, is_quiet: bool
) -> RunReport:
    from posetrack.run.run_sheet import check_sheet, write_run_sheet

    console = Console(stderr=True, highlight=False)
    if sheet is not None:
        check_sheet(sheet, video, output.overlay, may_replace=output.existing != "refuse")
    try:
        with RunProgress(console, video.info.name, video.info.num_frames, is_quiet=is_quiet) as progress:
            report = run(video, output, progress=progress)
    except RunInterrupted as interruption:
        if not is_quiet:
            print_summary(console, interruption.report)
        raise
    try:
        if sheet is not None and write_run_sheet(output.poses, sheet, video, output.view.style):
            report = replace(report, files=(*report.files, sheet))
    finally:
        if not is_quiet:
            print_summary(console, report)
            print_people(console, output.poses)
    return report
