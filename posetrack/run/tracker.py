"""Tracker: a recipe's networks, loaded once, for any number of sources."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack, cast

from posetrack.frame import Frame
from posetrack.run.sources import Part, Source, open_source
from posetrack.selection.people import EVERYONE, PeopleSelection
from posetrack.skeleton import Skeleton

if TYPE_CHECKING:
    from posetrack.build import Pipeline
    from posetrack.pipeline import FrameProcessor
    from posetrack.predictors.networks import GivenBoxes
    from posetrack.processors.own import OwnProcessors
    from posetrack.recipe import Recipe
    from posetrack.render import RenderStyle
    from posetrack.run.job import Existing, Output
    from posetrack.run.report import RunReport
    from posetrack.video.base import VideoSource

# Torch, OpenCV and FFmpeg take seconds to import: they are imported with the first tracker, not with the
# package.


_log = logging.getLogger(__name__)


class NetworkOptions(TypedDict, total=False):
    """Options of the networks of a `Tracker`, which says what they are."""

    device: str
    engine: str
    precision: str
    weights: str | Path | None
    batch_frames: int | None


class Tracker:
    """Detects and tracks the people in videos; its networks are loaded once.

    >>> tracker = Tracker("fast")
    >>> for frame in tracker.track("docs/media/street.mp4", start_s=3.2, end_s=3.3):
    ...     print(frame.index, frame.instances.track_ids, frame.instances.keypoints_xy.shape)
    80 [1] (1, 17, 2)
    81 [1] (1, 17, 2)
    82 [1] (1, 17, 2)

    A selection says who is wanted, and own processors change what is given and written:

    >>> from dataclasses import replace
    >>> from posetrack import PeopleSelection
    >>> def mirror(frames):
    ...     for frame in frames:
    ...         yield replace(frame, image=frame.image[:, ::-1])
    >>> tracker = Tracker("fast", selection=PeopleSelection(max_people=2), processors=[mirror])
    >>> tracker
    Tracker('fast': ... on ..., --max-people 2, processors mirror)

    Each source is a separate run, in which ids begin at 1. Several sources may be processed at the same time.

    Attributes:
        recipe: The recipe.
        skeleton: Skeleton of the resulting keypoints.
    """

    recipe: Recipe
    skeleton: Skeleton

    def __init__(
        self,
        recipe: str | Path | Recipe = "default",
        *,
        smooth: bool = False,
        selection: PeopleSelection = EVERYONE,
        processors: Sequence[FrameProcessor] = (),
        **networks: Unpack[NetworkOptions],
    ) -> None:
        """Load the networks.

        Args:
            recipe: Name or TOML file of a recipe, or a recipe.
            smooth: Whether to smooth keypoints over time, into `instances.smoothed_xy`: in `track` as frames
                come, in the files of `run` without lag.
            selection: Which people are wanted, by number, place, size and score.
            processors: Processors of your own, which see each frame when its people are tracked and before they
                are smoothed; docs/extend.md says more.
            networks: `device`: `auto`, `cpu`, `cuda` or `cuda:N`; `engine`: `auto`, `torch`, `openvino` or
                `onnxruntime`; `precision`: `auto`, `f32`, `bf16` or `fp16`; `weights`: a file of weights for
                the network that gives the poses, instead of the recipe's; `batch_frames`: frames per call of
                the detector, instead of the recipe's.

        Raises:
            RecipeError: There is no such recipe, or it is not valid.
            WeightsError: Weights are missing, damaged or of another network.
            PoseTrackError: There is no such device or engine, or the selection is by ids, which are not known.
        """
        selection.refuse_ids()
        self._selection, self._own, self._is_smoothed = selection, tuple(processors), smooth
        self._load(recipe, **networks)

    def _load(
        self,
        recipe: str | Path | Recipe,
        *,
        device: str = "auto",
        engine: str = "auto",
        precision: str = "auto",
        weights: str | Path | None = None,
        batch_frames: int | None = None,
    ) -> None:
        from posetrack.build import build_networks
        from posetrack.compute import Compute, choose_device
        from posetrack.recipe import Recipe, read_recipe, use_weights
        from posetrack.runtime import use_networks

        use_networks()
        if not isinstance(recipe, Recipe):
            recipe = read_recipe(recipe)
        if weights is not None:
            recipe = use_weights(recipe, Path(weights))
        self.recipe = recipe
        self._compute = Compute(choose_device(device), engine, precision)
        self._batch_frames = batch_frames or recipe.detector.batch_frames
        self._networks = build_networks(recipe, self._compute, batch_frames=self._batch_frames)
        self.skeleton = self._networks.skeleton

    def __repr__(self) -> str:
        compute = self._compute
        own = self._make_own()
        parts = [f"{self.recipe.name!r}: {compute.engine} {compute.precision} on {compute.device}"]
        parts += [str(self._selection)] * (not self._selection.is_everyone)
        parts += [f"processors {', '.join(own.names)}"] if own is not None else []
        return f"Tracker({', '.join(parts)})"

    def track(
        self,
        source: Source,
        **part: Unpack[Part],
    ) -> Iterator[Frame]:
        """Detect and track the people in a source.

        Args:
            source: A video file, a folder or glob pattern of images, or a URL for FFmpeg; the number of a
                camera; or an iterable of images (H, W, 3) uint8 RGB, which are copied.
            part: `start_s` and `end_s`, in seconds; `every`: process every n-th frame; `image_fps`: frame rate
                of a folder, a glob pattern, or arrays; `max_pixels`: the most pixels that an image may have;
                `timeout_s`: longest time without data, by default 20 s for a URL and any time for others.

        Yields:
            The frames in order, with boxes, keypoints, scores and track ids in `frame.instances`; of a camera
            the newest frames. Close the generator, or exhaust it, to stop its threads.

        Raises:
            VideoError: The source cannot be read, or contains something other than images.
            PoseTrackError: A region of the selection lies outside the image, or an own processor gives other
                frames than it should.
        """
        from posetrack.pipeline import stream

        with open_source(source, **part) as video:
            processors = self._make_pipeline(video, self._make_own()).processors
            with closing(stream(video, processors, is_live=video.is_live)) as frames:
                yield from frames

    def run(
        self,
        source: Source,
        folder: str | Path,
        *,
        formats: Sequence[str] = (),
        overlay: bool | RenderStyle = True,
        existing: Existing = "refuse",
        stitch: bool = True,
        progress: Callable[[Frame], None] | None = None,
        **part: Unpack[Part],
    ) -> RunReport:
        """Track the people in a source and write the results to a folder, as `posetrack run` does.

        Args:
            source: As for `track`.
            folder: Folder for `poses.jsonl`, which is written frame by frame, and the other files; it is
                created.
            formats: Further formats: `posetrack18`, `posetrack17`, `coco`, `mot`, `csv`, `openpose`; of dense
                poses, which are saved in an `.npz` if the recipe gives some, `png` and `densepose-json`.
            overlay: Whether to write `overlay.mp4`; a style says what it shows, such as a view of dense poses.
            existing: What to do with existing results: `refuse` to change them, `overwrite` them, or `resume`
                their interrupted run.
            stitch: Whether to join broken tracks, drop very short ones and fill gaps of a few frames when the
                run has ended, by the recipe's [stitcher]; `overlay.mp4` is then drawn once more.
            progress: Called with each finished frame, on another thread.
            part: As for `track`.

        Returns:
            The report of the run.

        Raises:
            RunInterrupted: Ctrl-C, a KeyboardInterrupt; the results so far are complete.
            ResultsError: There are results already, or they cannot be written.
            VideoError: The source cannot be read.
        """
        from posetrack.render import RenderStyle
        from posetrack.results.dense_forms import DENSE_FORMS
        from posetrack.run.job import Output
        from posetrack.run.view import DrawnView

        names = tuple(dict.fromkeys(formats))
        output = Output(
            Path(folder),
            tuple(name for name in names if name not in DENSE_FORMS),
            bool(overlay),
            existing,
            DrawnView(overlay) if isinstance(overlay, RenderStyle) else DrawnView(),
            dense_forms=tuple(name for name in names if name in DENSE_FORMS),
            min_keypoint_score=self.recipe.export.min_keypoint_score,
        )
        return self.run_into(source, output, stitch=stitch, progress=progress, **part)

    def run_into(
        self,
        source: Source,
        output: Output,
        *,
        stitch: bool = True,
        progress: Callable[[Frame], None] | None = None,
        boxes: GivenBoxes | None = None,
        **part: Unpack[Part],
    ) -> RunReport:
        """Track the people in a source and write the results; as `run`, which says the rest, with all options.

        Args:
            source: As for `track`.
            output: What is written where.
            stitch: As for `run`.
            progress: As for `run`.
            boxes: Boxes of the source that stand in for the detector's.
            part: As for `track`.

        Raises:
            RecipeError: Boxes are given, but the recipe has no [estimator].
        """
        from posetrack.run.job import run_job
        from posetrack.run.stitch import make_stitcher

        with open_source(source, **part) as video:
            sinks = () if progress is None else (progress,)
            own = self._make_own()
            pipeline = self._make_pipeline(video, own, with_faces=output.view.style.blur_faces, boxes=boxes)
            stitcher = make_stitcher(
                self.recipe,
                pipeline.skeleton,
                joined=stitch,
                smoothed=self._is_smoothed,
                selection=self._selection,
                own=own,
            )
            report = run_job(video, pipeline, self.recipe.name, output, sinks=sinks, stitcher=stitcher)
        if not self._selection.is_everyone and not report.num_people:
            _log.warning("%s: nobody fits %s; the results are empty", report.name, self._selection)
        return report

    def _make_own(self) -> OwnProcessors | None:
        from posetrack.processors.own import OwnProcessors

        return OwnProcessors(self._own) if self._own else None

    def _make_pipeline(
        self,
        video: VideoSource,
        own: OwnProcessors | None,
        *,
        with_faces: bool = False,
        boxes: GivenBoxes | None = None,
    ) -> Pipeline:
        """Make the processors of one run; frames of a camera are not batched."""
        from posetrack.build import make_pipeline
        from posetrack.errors import RecipeError
        from posetrack.recipe import without_delay

        if boxes is not None and self.recipe.estimator is None:
            raise RecipeError(
                f"{self.recipe.name}: boxes are given, but it has no [estimator] to find poses in them; take "
                "another recipe, or leave the boxes out"
            )
        self._selection.check_size((video.info.width, video.info.height), video.info.source)
        recipe, batch_frames = self.recipe, self._batch_frames
        if video.is_live:
            recipe = without_delay(recipe)
            batch_frames = recipe.detector.batch_frames
        return make_pipeline(
            recipe,
            self._networks if boxes is None else self._networks.with_boxes(boxes),
            self._compute,
            batch_frames=batch_frames,
            smoothed=self._is_smoothed,
            selection=self._selection,
            own=own,
            with_faces=with_faces,
        )


class TrackerOptions(NetworkOptions, total=False):
    """The options that `track` passes to `Tracker`."""

    smooth: bool
    selection: PeopleSelection
    processors: Sequence[FrameProcessor]


class TrackOptions(TrackerOptions, Part, total=False):
    """The options of `track`: those of a `Tracker`, and the part of the source."""


def track(
    source: Source,
    *,
    recipe: str | Path | Recipe = "default",
    **options: Unpack[TrackOptions],
) -> Iterator[Frame]:
    """Detect and track the people in one source; for several, a `Tracker` loads the networks once.

    >>> for frame in track("docs/media/street.mp4", recipe="fast", start_s=3.2, end_s=3.25):
    ...     print(frame.time_s, frame.instances.track_ids, frame.keypoint_names[:2])
    3.2 [1] ('nose', 'left_eye')
    3.24 [1] ('nose', 'left_eye')

    Args:
        source: As for `Tracker.track`.
        recipe: Name or TOML file of a recipe, or a recipe.
        options: `start_s`, `end_s`, `every`, `image_fps` and `max_pixels`, as for `Tracker.track`; `device`,
            `engine`, `precision`, `weights`, `batch_frames`, `smooth`, `selection` and `processors`, as for
            `Tracker`.

    Yields:
        The frames in order, with boxes, keypoints, scores and track ids in `frame.instances`. Close the
        generator, or exhaust it, to stop its threads.

    Raises:
        PoseTrackError: The source cannot be read, or the recipe, device or engine does not exist.
    """
    part = {name: value for name, value in options.items() if name in Part.__annotations__}
    others = {name: value for name, value in options.items() if name not in part}
    tracker = Tracker(recipe, **cast("TrackerOptions", others))
    yield from tracker.track(source, **cast("Part", part))
