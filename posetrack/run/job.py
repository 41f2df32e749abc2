"""The job of a run: track the people of one source and write the results to a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from posetrack.edits.log import set_aside
from posetrack.errors import ResultsError, SilentSourceError, VideoError
from posetrack.interruption import finishing
from posetrack.outputs import check_output_folder, hold_folder
from posetrack.pipeline import FrameProcessor, FrameSink, run
from posetrack.results.convert import convert
from posetrack.results.export import find_exporter, list_outputs
from posetrack.results.files import remove_own
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.results.jsonl_lines import has_header
from posetrack.results.openpose import OWN_FILES
from posetrack.results.people import ExportOptions
from posetrack.results.record import Header, Record
from posetrack.run.dense_output import DenseOutput
from posetrack.run.drawn_files import OnePng
from posetrack.run.finished import report_finished
from posetrack.run.report import FrameCounter, RunInterrupted, RunReport
from posetrack.run.resume import describe_run, fill_dense, open_saved, restore
from posetrack.run.sinks import TimeStage, leave_untimed, make_overlay_sink, make_poses_sink
from posetrack.run.stitch import Stitched, Stitcher, remove_leftover
from posetrack.run.view import DrawnView, Painter
from posetrack.video.base import VideoSource
from posetrack.video.image_writer import ImageWriter
from posetrack.video.writer import VideoWriter

if TYPE_CHECKING:
    from posetrack.build import Pipeline

_log = logging.getLogger(__name__)

Existing = Literal["refuse", "overwrite", "resume"]
"""What to do with existing results."""


@dataclass(frozen=True)
class Output:
    """The output of a run.

    Attributes:
        folder: Folder for the results; it is created.
        formats: Keys of `posetrack.results.export.FORMATS`, to write beside `poses.jsonl`.
        has_overlay: Whether to write `overlay.mp4`.
        existing: `refuse` to replace results, `overwrite` them, or `resume` their run.
        view: What `overlay.mp4` shows, and how large it is.
        dense: Folder, or `.npz`, for dense poses; None puts them into `folder`, if the recipe gives some.
        dense_forms: Keys of `posetrack.results.dense_forms.DENSE_FORMS`, to write beside that file.
        min_keypoint_score: Keypoints that score less are left out of the formats; `poses.jsonl` has all.
        overlay_name: Name of the annotated video; of one image, `run_job` makes it `overlay.png`.
        finished_frames: Number of frames of the finished run whose results are there, so that resuming it does
            nothing; None where it is not known to be finished.

    Raises:
        ResultsError: `existing` is another word, or the video is to be transparent.
    """

    folder: Path
    formats: tuple[str, ...] = ()
    has_overlay: bool = True
    existing: Existing = "refuse"
    view: DrawnView = field(default_factory=DrawnView)
    dense: Path | None = None
    dense_forms: tuple[str, ...] = ()
    min_keypoint_score: float = 0.0
    overlay_name: str = "overlay.mp4"
    finished_frames: int | None = None

    def __post_init__(self) -> None:
        if self.existing not in ("refuse", "overwrite", "resume"):
            raise ResultsError(f"existing: '{self.existing}'; expected refuse, overwrite or resume")
        if self.has_overlay and self.view.style.background == "transparent":
            raise ResultsError(
                "background transparent: overlay.mp4 has no transparency; draw the poses of the run with "
                "posetrack draw, or take black or white"
            )

    @property
    def poses(self) -> Path:
        """The file of poses."""
        return self.folder / "poses.jsonl"

    @property
    def overlay(self) -> Path:
        """The annotated video, or image."""
        return self.folder / self.overlay_name

    def place_dense(self, header: Header) -> DenseOutput:
        """Where dense poses of the source with this header go.

        Raises:
            ResultsError: There is no such form.
        """
        path = self.folder if self.dense is None else self.dense
        if path.suffix.lower() != ".npz":
            path = path / f"{header.video_name}.npz"
        return DenseOutput(path, self.dense_forms)


def run_job(
    video: VideoSource,
    pipeline: Pipeline,
    recipe_name: str,
    output: Output,
    *,
    sinks: Sequence[FrameSink] = (),
    time_stage: TimeStage = leave_untimed,
    stitcher: Stitcher | None = None,
) -> RunReport:
    """Track the people of a source and write the results to a folder.

    Args:
        video: The open source; read to its end, and left open.
        pipeline: The pipeline of a recipe.
        recipe_name: Name of the recipe for the header of the results.
        output: The output.
        sinks: Additional sinks, called with each frame after it is written.
        time_stage: Makes the context in which poses are written, people drawn and images encoded.
        stitcher: Joins tracks when the run has ended; not after Ctrl-C. None: the ids of the run are final.

    Returns:
        The report of the run.

    Raises:
        RunInterrupted: Ctrl-C; the results so far are complete, in all formats.
        ResultsError: There are results already, a format cannot hold the skeleton, or they cannot be written.
        VideoError: The source cannot be read, or the video cannot be written.
        SilentSourceError: The source gave no data for too long; the results so far are complete, likewise.
    """
    for name in output.formats:
        find_exporter(name, pipeline.skeleton)
    info = video.info
    if info.kind == "images" and info.num_frames == 1:
        output = replace(output, overlay_name="overlay.png")
    provenance = describe_run(pipeline.provenance, video, None if stitcher is None else stitcher.config)
    header = Header(
        info.source,
        info.width,
        info.height,
        info.fps,
        pipeline.skeleton,
        recipe_name,
        provenance,
        has_blurred_faces=output.view.style.blur_faces,
    )
    check_output_folder(output.folder, (output.poses, output.overlay), header.source)
    dense = _place_dense(output, pipeline, header)
    if dense is not None:
        header = replace(header, dense=dense.path)
        check_output_folder(dense.path.parent, (dense.path,), header.source, "--dense-out")
    with hold_folder(output.folder):
        return _run_held(
            video, pipeline, header, (output, dense), sinks=sinks, time_stage=time_stage, stitcher=stitcher
        )


def _place_dense(output: Output, pipeline: Pipeline, header: Header) -> DenseOutput | None:
    if pipeline.gives_dense:
        return output.place_dense(header)
    if output.dense is not None or output.dense_forms:
        raise ResultsError(
            f"--dense-out, --dense-format: recipe {header.recipe} gives no dense poses; take a recipe whose "
            "[detector] is a DensePose network, or that has a table [dense]"
        )
    return None


def _run_held(
    video: VideoSource,
    pipeline: Pipeline,
    header: Header,
    outputs: tuple[Output, DenseOutput | None],
    *,
    sinks: Sequence[FrameSink],
    time_stage: TimeStage,
    stitcher: Stitcher | None,
) -> RunReport:
    """Run in a folder that no other run writes into."""
    output, dense = outputs
    saved = _open_results(output, dense, header)
    if saved is not None and output.finished_frames is not None:
        wanted = _list_wanted(output, dense, header)
        report = report_finished(output.poses, output.finished_frames, wanted, video.info.name)
        if report is not None:
            return report
    if saved is not None:  # Formats that are there would miss the frames that come now.
        there = [name for name in _list_exports(output.poses, output.folder) if name not in output.formats]
        output = replace(output, formats=(*output.formats, *there))
        if dense is not None:
            dense = dense.add_forms_there()
            dense.check_forms(may_replace=True)
    counter = FrameCounter()
    with ExitStack() as stack:
        is_resumed = saved is not None
        surfaces = None
        if dense is not None:
            surfaces = stack.enter_context(dense.open(output.poses, header, is_resumed=is_resumed))
        kept = None if surfaces is None else surfaces.num_frames
        poses = stack.enter_context(JsonlWriter(output.poses, header, is_resumed=is_resumed, keep_frames=kept))
        # The file grows while it is read.
        restored: Iterator[Record] = islice(saved or (), poses.num_records)
        if dense is not None and output.has_overlay:
            restored = fill_dense(restored, output.poses)
        restore_saved = restore(restored, str(output.poses))
        all_sinks = [make_poses_sink(poses, time_stage, surfaces)]
        if output.has_overlay:
            writer = stack.enter_context(_open_overlay(output.overlay, video))
            all_sinks.append(make_overlay_sink(writer, Painter(pipeline.skeleton, output.view), time_stage))
        all_sinks += [counter, *([] if stitcher is None else [stitcher]), *sinks]
        processors: list[FrameProcessor] = [restore_saved, *pipeline.processors]
        cut_by = _run_and_close(lambda: run(video, processors, all_sinks, is_live=video.is_live), stack)
    stitched: Stitched | None = None
    if stitcher is not None and cut_by is None:
        try:
            stitched = _stitch(stitcher, output, video, has_more=poses.num_records > counter.frames)
        except KeyboardInterrupt as error:
            cut_by = error
    with finishing():
        dense_files = (
            () if dense is None else dense.finish(output.poses, has_final_ids=is_resumed or bool(stitched))
        )
        report = counter.make_report(video, (*_finish(output), *dense_files))
    if stitched is not None:
        report = replace(report, **vars(stitched))
    if isinstance(cut_by, KeyboardInterrupt):
        raise RunInterrupted(report) from cut_by
    if cut_by is not None:
        raise cut_by
    return report


def _run_and_close(work: Callable[[], None], stack: ExitStack) -> KeyboardInterrupt | SilentSourceError | None:
    """Run, and finish the files of the stack, also where the run was cut short; returns by what."""
    cut_by: KeyboardInterrupt | SilentSourceError | None = None
    try:
        work()
    except (KeyboardInterrupt, SilentSourceError) as error:
        cut_by = error
    try:
        with finishing():
            stack.close()
    except KeyboardInterrupt as error:
        cut_by = error
    return cut_by


def _stitch(stitcher: Stitcher, output: Output, video: VideoSource, *, has_more: bool) -> Stitched | None:
    """Join the tracks of a finished run; where that fails, the run stays as it is, with a logged warning.

    Args:
        stitcher: It has seen every frame of the run.
        output: The output.
        video: The source, which has been read to its end.
        has_more: Whether the file of a resumed run has frames behind the end of this one.
    """
    poses, overlay = output.poses, output.overlay
    if has_more:
        _log.warning("%s: has frames after the end of this run; its tracks are not joined, nor smoothed", poses)
        return None
    try:
        stitched = stitcher.finish(
            poses, poses, overlay=overlay if output.has_overlay else None, video=video, view=output.view
        )
    except (ResultsError, VideoError) as error:
        _log.warning("%s: its tracks are not joined, nor smoothed: %s", poses, error)
        return None
    if stitched is not None and overlay.exists() and not output.has_overlay:
        _log.warning("%s: is of an earlier run and shows other ids; run without --no-video", overlay)
    return stitched


def _open_overlay(path: Path, video: VideoSource) -> AbstractContextManager[ImageWriter]:
    if path.suffix == ".png":
        return OnePng(path)
    if video.info.has_audio and video.audio_address is None:
        _log.warning(
            "%s: its sound could only be read by opening it again, which a pipe or stream does not allow; %s "
            "lacks it; save the source to a file first to keep it",
            video.info.source,
            path.name,
        )
    return VideoWriter(path, video.info, audio_from=video.audio_address)


def _open_results(output: Output, dense: DenseOutput | None, header: Header) -> Iterator[Record] | None:
    """Open the saved frames of a run to resume; None for a new run, whose folder is then prepared.

    What a killed pass has left in the folder is removed.
    """
    remove_leftover(output.poses)
    is_resumed = output.existing == "resume" and output.poses.exists()
    if is_resumed and has_header(output.poses):
        return open_saved(output.poses, header)
    if is_resumed:
        _log.warning("%s: the run was cut off before its first frame; it starts over", output.poses)
    own = (output.poses, output.overlay, *([] if dense is None else [dense.path]))
    there = [path for path in own if os.path.lexists(path)]
    stale = _list_exports(output.poses, output.folder).values() if output.existing == "overwrite" else ()
    if there and output.existing != "overwrite" and not is_resumed:
        raise ResultsError(f"{there[0]}: is there already; use --overwrite, or another --out")
    if dense is not None:
        dense.check_forms(may_replace=output.existing == "overwrite" or is_resumed)
    try:
        set_aside(output.poses)
        for path in there:
            path.unlink()
        for path in stale:
            remove_own(path, OWN_FILES)
        if dense is not None and output.existing == "overwrite":
            dense.remove_forms()
    except OSError as error:
        raise ResultsError(
            f"{output.folder}: cannot be written ({error.strerror}); use another --out"
        ) from error
    return None


def _list_wanted(output: Output, dense: DenseOutput | None, header: Header) -> tuple[Path, ...]:
    """Everything that a finished run has written beside its poses."""
    exports = list_outputs(header, output.folder)
    overlay = (output.overlay,) if output.has_overlay else ()
    return (*overlay, *(exports[name] for name in output.formats), *(() if dense is None else (dense.path,)))


def _list_exports(poses: Path, folder: Path) -> dict[str, Path]:
    """The other formats of the run of a file, of those that are there; none where it is no results file."""
    try:
        header, _ = read_jsonl(poses)
    except ResultsError:
        return {}
    return {name: path for name, path in list_outputs(header, folder).items() if path.exists()}


def _finish(output: Output) -> tuple[Path, ...]:
    """Write the other formats; returns all written files."""
    written = [path for path in (output.poses, output.overlay) if path.exists()]
    options = ExportOptions(min_keypoint_score=output.min_keypoint_score)
    exported = (convert(output.poses, name, output.folder, options, raw=True) for name in output.formats)
    return (*written, *exported)
