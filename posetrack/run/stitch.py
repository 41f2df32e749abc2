"""The pass over a finished run: joins tracks in its file of poses, smooths them, and draws the video again."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.outputs import name_part
from posetrack.pipeline import FrameProcessor, run
from posetrack.processors.exchange import Exchange, exchange_ids, find_exchanges, join_parts
from posetrack.processors.final_ids import give_final_ids
from posetrack.processors.left_out import save_faces_of
from posetrack.processors.own import OwnProcessors
from posetrack.processors.smooth import SmootherConfig
from posetrack.processors.stitch import StitcherConfig, StitchPlan, make_plan
from posetrack.processors.tracklets import Describe, TrackletCollector
from posetrack.processors.zero_lag import smooth_without_lag
from posetrack.recipe import Recipe
from posetrack.results.dense_poses import DenseOfPoses
from posetrack.results.files import cannot_write
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.poses import SavedPoses
from posetrack.run.drawn_files import open_writer
from posetrack.run.paired import add_blurred_images
from posetrack.run.report import FrameCounter
from posetrack.run.sinks import make_overlay_sink
from posetrack.run.view import DrawnView, Painter
from posetrack.selection.choose import trim_filled
from posetrack.selection.people import EVERYONE, PeopleSelection
from posetrack.skeleton import Skeleton
from posetrack.video.base import VideoSource

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stitched:
    """What a pass changed.

    Attributes:
        num_people: Number of people in the file, summed over the frames.
        num_ids: Number of different track ids in it.
        num_joined: Number of ids that were joined with a lower one.
        num_dropped: Number of tracks that were left out.
        num_interpolated: Number of people, of all frames, who are interpolated.
        num_exchanged: Number of ids that go on in another's track after people met.
    """

    num_people: int
    num_ids: int
    num_joined: int = 0
    num_dropped: int = 0
    num_interpolated: int = 0
    num_exchanged: int = 0


@dataclass(frozen=True)
class _Plan:
    """What a pass does: first the exchanges, then the rest."""

    exchanges: tuple[Exchange, ...]
    stitching: StitchPlan


class Stitcher:
    """Watches the frames of one run as a sink; joins its tracks, and smooths them, when it has ended.

    Args:
        config: Settings of the joining; None where no tracks are joined.
        skeleton: The keypoints.
        smoother: Settings of the smoothing, which is done without lag along the joined tracks; None where the
            run does not smooth.
        look_at_images: Whether people are compared by appearance.
        selection: Which people the run was to find; it stays true where gaps are filled.
        own: The user's own processors of the run. Where they have left people out, tracks are only joined: a
            short one is no mistake then, and nobody comes back in a gap. Where they have changed images, the
            annotated video is drawn over changed ones again.
        describe: Describes clothes; None looks at the frames' images.

    Attributes:
        config: The settings.
    """

    def __init__(
        self,
        config: StitcherConfig | None,
        skeleton: Skeleton,
        *,
        smoother: SmootherConfig | None = None,
        look_at_images: bool = True,
        selection: PeopleSelection = EVERYONE,
        own: OwnProcessors | None = None,
        describe: Describe | None = None,
    ) -> None:
        self.config = config
        self._smoother, self._selection, self._own = smoother, selection, own
        self._collector = TrackletCollector(
            skeleton,
            max_interpolated_s=0.0 if config is None else config.max_interpolated_s,
            look_at_images=look_at_images and config is not None,
            describe=describe,
        )

    def __call__(self, frame: Frame) -> None:
        """Remember the people of the next frame."""
        if self.config is not None:
            self._collector(frame)

    def finish(
        self,
        poses: Path,
        out: Path,
        *,
        overlay: Path | None = None,
        video: VideoSource | None = None,
        view: DrawnView | None = None,
    ) -> Stitched | None:
        """Write the poses of the run with final ids, smoothed if they are to be.

        Args:
            poses: The file of the frames that were watched.
            out: The file to write, which may be the same; it is replaced as a whole when everything is written.
            overlay: The annotated video of the run, which is drawn again, and replaced as a whole, too.
            video: The source of the run, to draw over.
            view: What the annotated video shows.

        Returns:
            What was changed; None where there was nothing to change, and nothing was written.

        Raises:
            ResultsError: The poses cannot be read or written; the files stay as they are.
        """
        plan = self._plan()
        if plan is None and self._smoother is None:
            return None
        counter, num_interpolated, part = FrameCounter(), 0, part_of(out)
        try:
            saved = SavedPoses(poses, raw=True)
            with JsonlWriter(part, saved.header) as writer:
                frames = iter(saved)
                if plan is not None:
                    frames = exchange_ids(plan.exchanges)(frames)
                if saved.header.has_blurred_faces and plan is not None:
                    frames = save_faces_of(plan.stitching.dropped, saved.header.skeleton)(frames)
                for process in self._make_processors(plan):
                    frames = process(frames)
                for frame in frames:
                    writer.write(frame.index, frame.time_s, frame.instances, frame.size_wh, frame.faces_xyxy)
                    counter(frame)
                    marks = frame.instances.is_interpolated
                    num_interpolated += 0 if marks is None else int(marks.sum())
            with _replace_together(part, out, overlay):
                if overlay is not None and video is not None:
                    own = [] if self._own is None or not self._own.changes_images else [self._own]
                    redraw(SavedPoses(part, raw=True), overlay, video, view, own=own, everyone=saved)
        except OSError as error:
            raise cannot_write(out, error) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        if plan is None:
            return Stitched(counter.people, counter.num_ids)
        return Stitched(
            counter.people,
            counter.num_ids,
            len(plan.stitching.final_ids),
            len(plan.stitching.dropped),
            num_interpolated,
            sum(len(exchange.owners) for exchange in plan.exchanges),
        )

    def _plan(self) -> _Plan | None:
        """What becomes of the tracks; None where they stay as they are."""
        config = self._find_config()
        if config is None:
            return None
        parts, path = self._collector.parts, self._collector.path
        exchanges = find_exchanges(parts, self._collector.meetings, path, config.min_exchange)
        tracklets = join_parts(parts, exchanges, path, config.max_interpolated_s)
        stitching = make_plan(tracklets, path, config)
        return _Plan(exchanges, stitching) if exchanges or not stitching.is_empty else None

    def _find_config(self) -> StitcherConfig | None:
        """The settings that suit processors of the user's own."""
        if self.config is not None and self._own is not None and self._own.removes_people:
            return replace(self.config, min_track_s=0, max_interpolated_s=0)
        return self.config

    def _make_processors(self, plan: _Plan | None) -> Sequence[FrameProcessor]:
        processors: list[FrameProcessor] = []
        config = self._find_config()
        if plan is not None and config is not None:
            longest_s = config.max_interpolated_s
            processors.append(
                give_final_ids(plan.stitching, self._collector.path, max_interpolated_s=longest_s)
            )
            if not self._selection.is_everyone:
                processors.append(trim_filled(self._selection))
        if self._smoother is not None:
            processors.append(smooth_without_lag(self._smoother))
        return processors


def part_of(poses: Path) -> Path:
    """The temporary file of a pass, which a killed one leaves."""
    return name_part(poses)


def remove_leftover(poses: Path) -> None:
    """Remove what a killed pass over this file has left."""
    with suppress(OSError):
        part_of(poses).unlink(missing_ok=True)


@contextmanager
def _replace_together(part: Path, out: Path, overlay: Path | None) -> Iterator[None]:
    """Replace the poses when the block ends; also where it is interrupted after it replaced the overlay."""
    before = _identify(overlay)
    try:
        yield
    except BaseException:
        if _identify(overlay) != before:
            os.replace(part, out)
        raise
    os.replace(part, out)


def _identify(path: Path | None) -> int | None:
    """The file's number in the file system; None where there is none."""
    return path.stat().st_ino if path is not None and path.exists() else None


def make_stitcher(
    recipe: Recipe,
    skeleton: Skeleton,
    *,
    joined: bool = True,
    smoothed: bool,
    look_at_images: bool = True,
    selection: PeopleSelection = EVERYONE,
    own: OwnProcessors | None = None,
    describe: Describe | None = None,
) -> Stitcher | None:
    """Make the stitcher of one run with a recipe; None where it neither joins tracks nor smooths them."""
    config, smoother = recipe.stitcher if joined else None, recipe.smoother if smoothed else None
    if config is None and smoother is None:
        return None
    return Stitcher(
        config,
        skeleton,
        smoother=smoother,
        look_at_images=look_at_images,
        selection=selection,
        own=own,
        describe=describe,
    )


def redraw(
    poses: SavedPoses,
    overlay: Path,
    video: VideoSource,
    view: DrawnView | None = None,
    *,
    own: Sequence[FrameProcessor] = (),
    everyone: SavedPoses | None = None,
) -> None:
    """Draw the annotated video of a run again, from saved poses and a second decoding of the source.

    Where the source cannot be read again, the video stays as it is, with a logged warning.

    Args:
        poses: The poses.
        overlay: The video; replaced as a whole when everything is drawn.
        video: The source, which has been read before.
        view: What the video shows.
        own: Applied to the frames before they are drawn.
        everyone: The same frames with all people, whose faces are blurred where those of the poses are; None
            where the poses have them all.
    """
    view, skeleton = view or DrawnView(), poses.header.skeleton
    try:
        with ExitStack() as stack:
            again = video.reopen()
            if again is None:
                raise VideoError(f"{video.info.source}: cannot be read a second time")
            info = stack.enter_context(again).info
            if info != video.info:
                raise VideoError(f"{video.info.source}: has changed since it was read")
            writer = open_writer(overlay, info, audio_from=again.audio_address)
            # Not a context of its own: Ctrl-C would leave half of a video in place of a whole one.
            stack.callback(writer.abort)
            sink = make_overlay_sink(writer, Painter(skeleton, view))
            shown = poses if poses.header.dense is None else DenseOfPoses(poses.path)
            frames = add_blurred_images(
                shown,
                again,
                skeleton,
                faces_of=everyone if view.style.blur_faces else None,
                remedy="it has changed since it was read",
            )
            run(frames, own, [sink])
            writer.close()
    except VideoError as error:
        _log.warning(
            "%s shows what the run drew, before tracks were joined or smoothed: %s",
            overlay.name,
            error,
        )
