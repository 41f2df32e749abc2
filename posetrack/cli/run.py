"""`posetrack run`: from videos to annotated videos and files of tracked poses."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from posetrack.cli.progress import RunProgress
from posetrack.errors import PoseTrackError, ResultsError, VideoError
from posetrack.frame import Frame
from posetrack.pipeline import FrameSink, run
from posetrack.processors.resume import restore
from posetrack.recipe import read_recipe, use_weights
from posetrack.render import Renderer
from posetrack.results.convert import convert
from posetrack.results.export import FORMATS, find_exporter
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.results.record import Header, Record
from posetrack.skeleton import Skeleton
from posetrack.video.source import VideoInfo, VideoSource, group_sources, open_video
from posetrack.video.writer import VideoWriter

if TYPE_CHECKING:
    from posetrack.build import Pipeline

_OUT = Path("posetrack-out")


@dataclass(frozen=True)
class _RunOptions:
    """What holds for every source of one call."""

    pipeline: Pipeline
    recipe_name: str
    formats: tuple[str, ...]
    start_s: float
    end_s: float | None
    every: int
    image_fps: Fraction
    has_overlay: bool
    may_overwrite: bool
    is_resumed: bool
    is_quiet: bool


def run_command(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Videos, folders or globs of images.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write into; one below it a source when there are several.",
            show_default="posetrack-out/<name>",
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(help="Name (see `posetrack recipes`) or TOML file.")] = "default",
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of the pose network, .safetensors or .pth.", show_default="the recipe's"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    engine: Annotated[str, typer.Option(help="auto, torch, openvino or onnxruntime.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, f32, bf16 or fp16.")] = "auto",
    batch: Annotated[
        int | None,
        typer.Option(min=1, help="Frames in one call of the detector.", show_default="the recipe's"),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help=f"Also write {', '.join(FORMATS)}.", show_default=False),
    ] = None,
    start: Annotated[float, typer.Option(min=0, help="Seconds into the source to start at.")] = 0.0,
    end: Annotated[float | None, typer.Option(min=0, help="Seconds to end at.", show_default=False)] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every so many-th frame.")] = 1,
    image_fps: Annotated[str, typer.Option(help="Frames a second of images, e.g. 25 or 30000/1001.")] = "25",
    no_video: Annotated[bool, typer.Option("--no-video", help="Do not write overlay.mp4.")] = False,
    smooth: Annotated[bool, typer.Option("--smooth", help="Smooth keypoints over time.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with runs that were cut short; start the others.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Track people: poses.jsonl, overlay.mp4 and any other formats for each source."""
    # Torch takes seconds to import: only whoever tracks people waits for it.
    from posetrack.build import build_pipeline
    from posetrack.compute import Compute, choose_device

    logging.basicConfig(level=logging.ERROR if quiet else logging.WARNING, format="posetrack: %(message)s")
    if resume and overwrite:
        raise ResultsError("--resume: keeps what --overwrite would replace; give one of them")
    settings = read_recipe(recipe)
    if weights is not None:
        settings = use_weights(settings, weights)
    pipeline = build_pipeline(
        settings,
        Compute(choose_device(device), engine, precision),
        batch_frames=batch,
        smoothed=smooth,
    )
    for name in formats or ():
        find_exporter(name, pipeline.skeleton)
    options = _RunOptions(
        pipeline=pipeline,
        recipe_name=settings.name,
        formats=tuple(dict.fromkeys(formats or ())),
        start_s=start,
        end_s=end,
        every=every,
        image_fps=_read_fps(image_fps),
        has_overlay=not no_video,
        may_overwrite=overwrite,
        is_resumed=resume,
        is_quiet=quiet,
    )
    if not _run_sources(sources, out, options):
        raise typer.Exit(1)


def _run_sources(arguments: Sequence[str], out: Path | None, options: _RunOptions) -> bool:
    """Run each source; one that fails is reported and the others go on. Returns whether all went well."""
    groups = group_sources(arguments)
    all_well = True
    taken: set[Path] = set()
    for group in groups:
        try:
            with open_video(
                group,
                start_s=options.start_s,
                end_s=options.end_s,
                every=options.every,
                image_fps=options.image_fps,
            ) as video:
                folder = _choose_folder(out, video.info.name, is_alone=len(groups) == 1, taken=taken)
                _run_one(video, folder, options)
        except PoseTrackError as error:
            all_well = False
            print(f"posetrack: {error}", file=sys.stderr)
    return all_well


def _run_one(video: VideoSource, folder: Path, options: _RunOptions) -> None:
    jsonl, overlay = folder / "poses.jsonl", folder / "overlay.mp4"
    header = _make_header(video.info, options)
    is_resumed = options.is_resumed and jsonl.exists()
    saved = _open_saved(jsonl, header) if is_resumed else iter(())
    if not is_resumed:
        _prepare_folder(folder, [jsonl, overlay], may_overwrite=options.may_overwrite)
    console = Console(stderr=True, highlight=False)
    interruption: KeyboardInterrupt | None = None
    with ExitStack() as stack:
        progress = stack.enter_context(
            RunProgress(console, video.info.name, video.info.num_frames, is_quiet=options.is_quiet)
        )
        poses = stack.enter_context(JsonlWriter(jsonl, header, is_resumed=is_resumed))
        # The file grows while it is read.
        processors = [restore(islice(saved, poses.num_records), str(jsonl)), *options.pipeline.processors]
        sinks: list[FrameSink] = [_make_poses_sink(poses)]
        if options.has_overlay:
            sinks.append(_make_overlay_sink(stack, overlay, video.info, options.pipeline.skeleton))
        sinks.append(progress)
        try:
            run(video, processors, sinks)
        except KeyboardInterrupt as error:
            # What was tracked so far is finished like any other result, then the interruption goes on.
            interruption = error
    written = [path for path in (jsonl, overlay) if path.exists()]
    written += [convert(jsonl, name, folder) for name in options.formats]
    if not options.is_quiet:
        if interruption is not None:
            console.print(f"{video.info.name}: interrupted", markup=False)
        _print_summary(console, video, progress, written)
    if interruption is not None:
        raise interruption


def _open_saved(jsonl: Path, header: Header) -> Iterator[Record]:
    """Saved frames; raises ResultsError unless they are of the same run, as far as their header says."""
    saved, records = read_jsonl(jsonl)
    for name in ("source", "width", "height", "fps", "skeleton", "recipe"):
        before, now = (getattr(each, name) for each in (saved, header))
        if before != now:
            before, now = (each.name if isinstance(each, Skeleton) else each for each in (before, now))
            raise ResultsError(
                f"{jsonl}: {name}: {before}, but this run has {now}; resume with the same, or use --overwrite"
            )
    return records


def _make_poses_sink(poses: JsonlWriter) -> FrameSink:
    """Writes frames, but for those that the file has already."""
    positions = count()

    def write(frame: Frame) -> None:
        if next(positions) >= poses.num_records:
            poses.write(frame.index, frame.time_s, frame.instances)

    return write


def _make_overlay_sink(stack: ExitStack, path: Path, info: VideoInfo, skeleton: Skeleton) -> FrameSink:
    render = Renderer(skeleton)
    writer = stack.enter_context(VideoWriter(path, info, audio_from=info.source if info.has_audio else None))

    def write(frame: Frame) -> None:
        writer.write(render(frame), frame.time_s)

    return write


def _make_header(info: VideoInfo, options: _RunOptions) -> Header:
    return Header(
        source=info.source,
        width=info.width,
        height=info.height,
        fps=info.fps,
        skeleton=options.pipeline.skeleton,
        recipe=options.recipe_name,
    )


def _choose_folder(out: Path | None, name: str, *, is_alone: bool, taken: set[Path]) -> Path:
    """The folder of one source's results; two sources of one name get two folders."""
    if out is not None and is_alone:
        return out
    folder = first = (out or _OUT) / name
    number = 2
    while folder in taken:
        folder = first.with_name(f"{name}-{number}")
        number += 1
    taken.add(folder)
    return folder


def _prepare_folder(folder: Path, results: list[Path], *, may_overwrite: bool) -> None:
    there = [path for path in results if path.exists()]
    if there and not may_overwrite:
        raise ResultsError(f"{there[0]}: is there already; use --overwrite, or another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in there:
            path.unlink()
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be written ({error.strerror}); use another --out") from error


def _print_summary(console: Console, video: VideoSource, progress: RunProgress, written: list[Path]) -> None:
    damaged = f", {video.num_damaged} damaged packets or images skipped" if video.num_damaged else ""
    people = progress.people / max(progress.frames, 1)
    lines = [
        f"{video.info.name}: {progress.frames} frames, {people:.1f} people a frame, {len(progress.ids)} ids, "
        f"{progress.frames_per_s:.1f} frames/s{damaged}",
        *(f"  {path}" for path in written),
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _read_fps(text: str) -> Fraction:
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if fps <= 0:
        raise VideoError(f"--image-fps {text}: expected frames a second, such as 25 or 30000/1001")
    return fps
