"""`posetrack retrack`: follow saved poses again, without running a network."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from posetrack.errors import ResultsError, VideoError
from posetrack.frame import Frame, ImageArray
from posetrack.pipeline import FrameProcessor, stream
from posetrack.processors.smooth import smooth as make_smoother
from posetrack.processors.track import track
from posetrack.recipe import read_recipe
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.results.record import Header, Record
from posetrack.video.source import VideoSource, open_video

_NO_IMAGE: ImageArray = np.zeros((1, 1, 3), np.uint8)


def retrack_command(
    file: Annotated[Path, typer.Argument(help="A poses.jsonl.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="FILE with .retracked before .jsonl")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Whose tracker table to use: a name or a TOML file.")] = "default",
    video: Annotated[
        str | None,
        typer.Option(help="The images to compute optical flow on.", show_default="the source in FILE"),
    ] = None,
    no_flow: Annotated[bool, typer.Option("--no-flow", help="Do not look at the video.")] = False,
    smooth: Annotated[bool, typer.Option("--smooth", help="Smooth keypoints over time.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
) -> None:
    """Give saved poses new track ids. Flow is computed where the video is still at hand."""
    out = file.with_suffix(".retracked.jsonl") if out is None else out
    if out.exists() and not overwrite:
        raise ResultsError(f"{out}: is there already; use --overwrite, or another --out")
    if out.resolve() == file.resolve():
        raise ResultsError(f"{out}: is the file to read; use another --out")
    settings = read_recipe(recipe)
    header, records = read_jsonl(file)
    part = out.with_name(f".{out.stem}.part.jsonl")
    with ExitStack() as stack:
        stack.callback(part.unlink, missing_ok=True)
        source = None if no_flow else _open_images(stack, header, video)
        frames = _make_frames(records, source)
        processors: list[FrameProcessor] = [
            track(settings.tracker, header.skeleton, look_at_images=source is not None)
        ]
        if smooth:
            processors.append(make_smoother(settings.smoother))
        ids: set[int] = set()
        with JsonlWriter(part, header) as writer:
            for frame in stack.enter_context(closing(stream(frames, processors))):
                writer.write(frame.index, frame.time_s, frame.instances)
                if frame.instances.track_ids is not None:
                    ids.update(frame.instances.track_ids.tolist())
        part.replace(out)
    print(f"{out}: {len(ids)} ids")


def _open_images(stack: ExitStack, header: Header, video: str | None) -> VideoSource | None:
    """The video of saved poses; without it, and unless it was asked for, tracking goes on without flow."""
    try:
        source = open_video(header.source if video is None else video, image_fps=header.fps)
        info = stack.enter_context(source).info
        if (info.width, info.height) != (header.width, header.height):
            raise VideoError(
                f"{info.source}: {info.width} x {info.height}, but the poses are from {header.width} x "
                f"{header.height}; give the video that they come from with --video, or use --no-flow"
            )
        return source
    except VideoError as error:
        if video is not None:
            raise
        print(f"posetrack: tracking without optical flow: {error}", file=sys.stderr)
        return None


def _make_frames(records: Iterable[Record], source: VideoSource | None) -> Iterator[Frame]:
    """Saved people on their images, paired by the frame's index in the source."""
    images = iter(()) if source is None else iter(source)
    current: Frame | None = None
    for record in records:
        while source is not None and (current is None or current.index < record.frame):
            following = next(images, None)
            if following is None:
                raise VideoError(
                    f"{source.info.source}: ends before frame {record.frame} of the saved poses; give the "
                    "video that they come from with --video, or use --no-flow"
                )
            current = following
        image = _NO_IMAGE if current is None else current.image
        yield Frame(record.frame, record.time_s, image, replace(record.instances, track_ids=None))
