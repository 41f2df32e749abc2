"""SavedDrawing: the work of `draw_poses`, from the checks of its outputs to the files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from models.image_size import MAX_PIXELS
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.frame import Frame
from posetrack.outputs import check_is_no_input, check_output_file, make_part
from posetrack.pipeline import FrameSink, run
from posetrack.render import PersonColors, RenderStyle
from posetrack.results.dense_poses import DenseOfPoses
from posetrack.results.files import cannot_write
from posetrack.results.poses import SavedPoses
from posetrack.run.beside import BesidePainter, check_beside
from posetrack.run.drawing_options import DrawingOptions, DrawReport
from posetrack.run.drawn_files import check_drawn_file, check_sheet_name, is_folder, open_writer, write_png
from posetrack.run.images_of_poses import REMEDY, describe_missing_video, open_video_of, warn_of_faces
from posetrack.run.paired import add_blurred_images
from posetrack.run.sheet import ContactSheet
from posetrack.run.sinks import make_overlay_sink
from posetrack.run.survey import PosesSurvey, is_in_part, survey_poses
from posetrack.run.view import DrawnView, Painter
from posetrack.selection.choose import choose_saved
from posetrack.selection.people import EVERYONE
from posetrack.video.base import Selection, VideoSource
from posetrack.video.image_writer import ImageWriter

_log = logging.getLogger(__name__)

_INSTEAD = "draw on --background black, white or transparent"


class SavedDrawing:
    """The drawing of one file of poses.

    Args:
        poses: The poses.
        style: What is drawn, and on what; None for the usual.
        options: As for `draw_poses`.
    """

    def __init__(self, poses: SavedPoses, style: RenderStyle | None, options: DrawingOptions) -> None:
        style = style or RenderStyle()
        selection = options.get("selection", EVERYONE)
        if not (selection.is_everyone or poses.selection.is_everyone):
            raise PoseTrackError(
                f"selection: the poses were chosen already, by {poses.selection}; give one of them"
            )
        # The others count, too: for the colours, and because their faces are blurred.
        selection = poses.selection if selection.is_everyone else selection
        self._poses = poses if poses.selection.is_everyone else poses.select(EVERYONE)
        self._part = Selection(options.get("start_s", 0.0), options.get("end_s"), options.get("every", 1))
        self._view = DrawnView(style, options.get("side_by_side", False), options.get("scale", 1.0))
        self._max_pixels = options.get("max_pixels", MAX_PIXELS)
        self._beside = options.get("beside")
        self._everyone = options.get("faces_of")
        self._selection = replace(
            selection,
            only=style.only if selection.only is None else selection.only,
            drop=selection.drop | style.drop,
        )

    def write(
        self,
        out: Path | None,
        sheet: Path | None,
        *,
        video: str | Path | None,
        overwrite: bool,
        progress: Callable[[Frame], None] | None,
    ) -> DrawReport:
        """Write the drawing, the sheet, or both; arguments and errors are those of `draw_poses`."""
        self._check_outputs(out, sheet, video, overwrite=overwrite)
        survey = survey_poses(self._poses, self._part, self._selection)
        if sheet is not None and not survey.people:
            raise ResultsError(
                f"{self._poses.path}: nobody with a track id to show on a sheet; draw without --sheet"
            )
        is_single = out is not None and out.suffix.lower() == ".png" and not is_folder(out)
        if is_single and sheet is None and survey.first_with_people is not survey.first:
            self._part = replace(self._part, start_s=survey.first_with_people.time_s)
            survey = replace(survey, first=survey.first_with_people)
        with ExitStack() as stack:
            source = self._open_video(stack, survey, video)
            _check_files(out, source)
            frames = self._make_frames(survey, source)
            sinks: list[FrameSink] = [] if progress is None else [progress]
            writer: ImageWriter | None = None
            counter = _Counter()
            if out is not None:
                writer = self._open_writer(stack, out, survey, source)
                wanted = survey.first_with_people.index if is_single else None
                sinks.append(self._make_drawing_sink(writer, counter, survey.colors, only_index=wanted))
                if wanted is not None and sheet is None:
                    frames = islice(frames, 1)
            collected = self._make_sheet(sheet, survey, stack, sinks)
            run(frames, [], sinks)
            if writer is not None:
                writer.close()
            if collected is not None:
                collected()
        files = tuple(path for path in (out, sheet) if path is not None)
        return DrawReport(files, counter.count, len(survey.people))

    def _check_outputs(
        self, out: Path | None, sheet: Path | None, video: str | Path | None, *, overwrite: bool
    ) -> None:
        if self._beside is not None:
            if self._view.is_side_by_side or out is None:
                raise PoseTrackError(
                    "beside: draws on the left of --out; leave --side-by-side out, and give --out"
                )
            check_beside(self._beside, self._poses)
        is_transparent = self._view.style.background == "transparent"
        source = self._poses.header.source if video is None else os.fspath(video)
        inputs = [self._poses.path, Path(source), Path(source).parent if "*" in source else Path(source)]
        if out is None and sheet is None:
            raise PoseTrackError("nothing to draw: give --out, or --sheet")
        if sheet is not None:
            check_sheet_name(sheet)
            if sheet == out:
                raise ResultsError(f"{sheet}: is the drawing itself; use another --sheet")
        if out is not None:
            check_drawn_file(out, is_transparent=is_transparent)
        for path, option in ((out, "--out"), (sheet, "--sheet")):
            if path is None:
                continue
            if option == "--out" and is_folder(path):
                if path.exists() and not path.is_dir():
                    raise ResultsError(f"{path}: is a file, and images need a folder; use another {option}")
                for given in inputs:
                    check_is_no_input(path, given, option)
                is_there = path.exists() and any(path.iterdir())
            else:
                check_output_file(path, inputs, option)
                is_there = os.path.lexists(path)
            if is_there and not overwrite:
                raise ResultsError(f"{path}: is there already; use --overwrite, or another {option}")

    def _open_video(
        self, stack: ExitStack, survey: PosesSurvey, video: str | Path | None
    ) -> VideoSource | None:
        if video is None and not self._view.needs_images:
            return None
        return stack.enter_context(
            open_video_of(self._poses, survey.first, video, self._max_pixels, instead=_INSTEAD)
        )

    def _open_writer(
        self, stack: ExitStack, out: Path, survey: PosesSurvey, source: VideoSource | None
    ) -> ImageWriter:
        if source is None:
            info = describe_missing_video(self._poses, survey.first, survey.num_frames)
            writer = open_writer(out, info)
        else:
            writer = open_writer(out, source.info, audio_from=source.audio_address)
        stack.callback(writer.abort)
        return writer

    def _make_frames(self, survey: PosesSurvey, source: VideoSource | None) -> Iterator[Frame]:
        """The frames to draw: with the people who are wanted, and with images where there is a video."""
        chosen = self._selection
        if chosen.max_people is None:  # Ids are chosen in drawing: colours stay as they are beside the others.
            chosen = replace(chosen, only=None, drop=frozenset())
        shown = choose_saved(chosen)(self._read(survey, with_dense=True))
        if source is None:
            yield from shown
            return
        faces_of = None
        if self._view.style.blur_faces:
            warn_of_faces(self._poses)
            everyone = (self._everyone or self._poses).with_deleted()
            faces_of = islice(everyone, survey.num_read) if self._everyone is None else everyone
        yield from add_blurred_images(
            shown, source, self._poses.header.skeleton, faces_of=faces_of, remedy=REMEDY
        )

    def _read(self, survey: PosesSurvey, *, with_dense: bool = False) -> Iterator[Frame]:
        poses: Iterable[Frame] = self._poses
        dense = self._poses.header.dense
        if with_dense and dense is not None and self._view.style.iuv and self._view.style.dense_view != "off":
            if dense.exists():
                poses = DenseOfPoses(self._poses.path, self._poses.edits)
            else:
                _log.warning("%s: is not there; drawn without dense poses", dense)
        # Not up to a line that was cut short, which has been said once.
        return self._pick(islice(poses, survey.num_read))

    def _pick(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        return (frame for frame in frames if is_in_part(frame, self._part))

    def _make_drawing_sink(
        self, writer: ImageWriter, counter: _Counter, colors: PersonColors, *, only_index: int | None
    ) -> FrameSink:
        """Make the sink that draws every n-th frame; or the one of an index."""
        # Their faces are blurred already, if they are among those of other poses.
        is_blurred = self._everyone is None
        style = replace(
            self._view.style,
            blur_faces=self._view.style.blur_faces and not is_blurred,
            only=self._selection.only,
            drop=self._selection.drop,
        )
        paint: Painter | BesidePainter
        paint = Painter(self._poses.header.skeleton, replace(self._view, style=style), colors)
        if self._beside is not None:
            paint = BesidePainter(paint, self._beside, blur_faces=self._view.style.blur_faces)
        write, every, position = make_overlay_sink(writer, paint), self._part.every, 0

        def draw(frame: Frame) -> None:
            nonlocal position
            is_wanted = position % every == 0 if only_index is None else frame.index == only_index
            position += 1
            if is_wanted:
                write(frame)
                counter.count += 1
            else:
                paint.follow(frame)

        return draw

    def _make_sheet(
        self, path: Path | None, survey: PosesSurvey, stack: ExitStack, sinks: list[FrameSink]
    ) -> Callable[[], None] | None:
        """Add the sink of the sheet; returns what writes it."""
        if path is None:
            return None
        sheet = ContactSheet(
            survey.people.values(), survey.gap_s, self._poses.header.skeleton, self._view.style, survey.colors
        )
        sinks.append(sheet)
        try:
            part = make_part(path)
        except OSError as error:
            raise cannot_write(path, error) from error
        stack.callback(part.unlink, missing_ok=True)

        def write() -> None:
            write_png(part, sheet.compose())
            part.replace(path)

        return write


@dataclass
class _Counter:
    count: int = 0


def _check_files(out: Path | None, source: VideoSource | None) -> None:
    """Check that no folder of images is written over the images of the video."""
    if out is not None and source is not None and is_folder(out):
        for file in source.list_files()[:1]:
            check_is_no_input(out, file)
