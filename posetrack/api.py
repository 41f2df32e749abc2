"""PoseTrack from Python: people of a video, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

from posetrack.build import build_pipeline
from posetrack.compute import Compute, choose_device
from posetrack.frame import Frame
from posetrack.pipeline import stream
from posetrack.recipe import Recipe, read_recipe
from posetrack.video.source import open_video


def track(
    source: str | Path,
    *,
    recipe: str | Path | Recipe = "default",
    device: str = "auto",
    engine: str = "auto",
    precision: str = "auto",
    batch_frames: int | None = None,
    smooth: bool = False,
    start_s: float = 0.0,
    end_s: float | None = None,
    every: int = 1,
    image_fps: Fraction = Fraction(25),
) -> Iterator[Frame]:
    """Find and follow the people of a video.

    Args:
        source: A video file, a folder or glob of images, or an address that FFmpeg opens.
        recipe: Name or TOML file of a recipe, or a recipe.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        engine: `auto`, `torch`, `openvino` or `onnxruntime`.
        precision: `auto`, `f32`, `bf16` or `fp16`.
        batch_frames: Frames in one call of the detector, instead of the recipe's.
        smooth: Whether to smooth keypoints over time, into `instances.smoothed_xy`.
        start_s: Where to start, in seconds.
        end_s: Where to end, in seconds.
        every: Take every so many-th frame.
        image_fps: Frames a second of a folder or glob of images.

    Yields:
        The frames in order, with boxes, keypoints, scores and track ids in `frame.instances`. Close the
        generator, or exhaust it, to stop its threads.

    Raises:
        PoseTrackError: The source cannot be read, or the recipe, device or engine does not exist.
    """
    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    pipeline = build_pipeline(
        recipe,
        Compute(choose_device(device), engine, precision),
        batch_frames=batch_frames,
        smoothed=smooth,
    )
    with (
        open_video(source, start_s=start_s, end_s=end_s, every=every, image_fps=image_fps) as video,
        closing(stream(video, pipeline.processors)) as frames,
    ):
        yield from frames
