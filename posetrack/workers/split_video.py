"""SplitVideo: one video that workers track and draw in parts, joined to the results of one run."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from posetrack.errors import ResultsError
from posetrack.outputs import check_output_folder
from posetrack.results.convert import convert
from posetrack.results.files import cannot_write
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.people import ExportOptions
from posetrack.results.provenance import Provenance, digest_settings
from posetrack.results.record import Header
from posetrack.run.job import Output
from posetrack.run.report import FrameCounter, RunReport
from posetrack.run.run_sheet import check_sheet, write_run_sheet
from posetrack.run.sources import Part, open_source
from posetrack.run.stitch import Stitched, make_stitcher
from posetrack.selection.choose import choose_tracked
from posetrack.video.base import VideoSource
from posetrack.video.join import VideoJoiner
from posetrack.workers.notes import read_notes
from posetrack.workers.part_reader import PartReader, name_notes
from posetrack.workers.split import find_beyond_s, find_overlap_s, plan_parts
from posetrack.workers.task import DrawTask, TrackerSettings, VideoTask

PARTS_NAME = ".parts"
"""Folder of a split video's parts, below that of its results; removed when these are whole."""


@dataclass(frozen=True)
class SplitReport:
    """What came of a split video.

    Attributes:
        run: As of a run in one piece.
        num_parts: Number of parts.
        num_carried: Number of track ids that were carried over a border, summed over the borders.
        num_lost: Number that were not: a tracker's memory that is longer than the overlap held them.
    """

    run: RunReport
    num_parts: int
    num_carried: int
    num_lost: int


class SplitVideo:
    """One video, its parts, and what is made of them.

    Args:
        video: The open video, of which only the properties are used.
        source: The source that it was opened from.
        part: The part of it that is wanted.
        output: What is written where.
        settings: Those of the tracker of a run in one piece.
        split_s: Length of a part.

    Attributes:
        name: The source as messages call it.
        output: What is written where.

    Raises:
        VideoError: It cannot be split.
        ResultsError: There are results already.
    """

    def __init__(
        self,
        video: VideoSource,
        source: str,
        part: Part,
        output: Output,
        settings: TrackerSettings,
        split_s: float,
    ) -> None:
        self.name, self.output = video.info.source, output
        self._info, self._source, self._part, self._settings = video.info, source, part, settings
        recipe = settings.recipe
        times = find_overlap_s(recipe.tracker), find_beyond_s(recipe.detector)
        self.parts = plan_parts(video.info, part, split_s, *times)
        every = part.get("every", 1)
        self._anchor = next(iter(video)).index if every > 1 else None
        self._folder = output.folder / PARTS_NAME
        self._began_s = time.monotonic()
        self._drawn: list[tuple[Path, float]] = []
        self._stitched: Stitched | None = None
        self._counter = FrameCounter()
        self._check()

    def _check(self) -> None:
        """Check the outputs, and remove what is to be overwritten."""
        output = self.output
        check_output_folder(output.folder, (output.poses, output.overlay), self.name)
        there = [path for path in (output.poses, output.overlay) if os.path.lexists(path)]
        # One that was cut off between the overlay and the poses has its parts still.
        if there and output.existing != "overwrite" and not self._folder.exists():
            raise ResultsError(f"{there[0]}: is there already; use --overwrite, or another --out")
        try:
            if output.existing == "overwrite":
                shutil.rmtree(self._folder, ignore_errors=True)
                for path in there:
                    path.unlink()
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self._folder, error) from error

    def list_tasks(self, number: int) -> list[VideoTask]:
        """The tracking of its parts; those that were finished before are checked only.

        Args:
            number: That of the first task.
        """
        tasks = []
        for i, part in enumerate(self.parts):
            notes = name_notes(self._name_part(i))
            done = len(read_notes(notes).motions) if notes.exists() else None
            output = Output(
                self._name_part(i).parent,
                has_overlay=False,
                existing="resume",
                view=self.output.view,
                finished_frames=done,
            )
            task = VideoTask(
                number + i,
                f"{self.name}, part {i + 1} of {len(self.parts)}",
                self._source,
                self._select(part.tracked_s, part.seen_s),
                output,
                num_frames=self._count(part.tracked_s, part.seen_s),
                notes=notes,
            )
            tasks.append(task)
        return tasks

    def join(self) -> None:
        """Join the parts to the poses of the whole, with final ids.

        Raises:
            ResultsError: A part cannot be read, or the poses not be written.
        """
        settings, recipe = self._settings, self._settings.recipe
        poses = self._folder / "poses.jsonl"
        starts_s = [part.start_s for part in self.parts]
        self._reader = reader = PartReader([self._name_part(i) for i in range(len(starts_s))], starts_s)
        stitcher = make_stitcher(
            recipe,
            reader.header.skeleton,
            joined=settings.stitch,
            smoothed=settings.smooth,
            selection=settings.selection,
            describe=reader.describe,
        )
        frames = reader.read(remembered_s=max(recipe.tracker.longest_gap.seconds, recipe.tracker.reappear_s))
        if settings.selection.max_people is not None:
            frames = choose_tracked(settings.selection)(frames)
        with JsonlWriter(poses, self._make_header(reader.header)) as writer:
            for frame in frames:
                writer.write(frame.index, frame.time_s, frame.instances, frame.size_wh, frame.faces_xyxy)
                self._counter(frame)
                if stitcher is not None:
                    stitcher(frame)
        self._stitched = None if stitcher is None else stitcher.finish(poses, poses)

    def list_drawings(self, number: int) -> list[DrawTask]:
        """The drawing of its parts; none without an annotated video.

        Args:
            number: That of the first task.
        """
        if not self.output.has_overlay:
            return []
        poses = self._folder / "poses.jsonl"
        digest = hashlib.sha256(poses.read_bytes() + repr(self.output.view).encode()).hexdigest()[:8]
        tasks = []
        for i, (part, (first, time_s, last)) in enumerate(zip(self.parts, self._reader.ranges, strict=True)):
            out = self._folder / f"{i:04}.{digest}.mp4"
            self._drawn.append((out, time_s))
            task = DrawTask(
                number + i,
                f"{self.name}, drawing {i + 1} of {len(self.parts)}",
                self._source,
                self._select(part.start_s, part.end_s),
                poses,
                out,
                self.output.view,
                (first, last),
                self._count(part.start_s, part.end_s),
            )
            tasks.append(task)
        return tasks

    def finish(self, sheet: Path | None = None) -> SplitReport:
        """Join the drawings, write the other formats, and give all files their names.

        Args:
            sheet: A contact sheet to write as well.

        Raises:
            PoseTrackError: A file cannot be written.
        """
        output, reader = self.output, self._reader
        files: list[Path] = [output.poses]
        with ExitStack() as stack:
            video = stack.enter_context(open_source(self._source, **self._part))
            if sheet is not None:
                check_sheet(sheet, video, output.overlay, may_replace=True)
            if output.has_overlay:
                with VideoJoiner(output.overlay, video.info, audio_from=video.audio_address) as joiner:
                    for path, time_s in self._drawn:
                        joiner.append(path, time_s)
                files.append(output.overlay)
            try:
                os.replace(self._folder / "poses.jsonl", output.poses)
            except OSError as error:
                raise cannot_write(output.poses, error) from error
            options = ExportOptions(min_keypoint_score=output.min_keypoint_score)
            files += [convert(output.poses, name, output.folder, options, raw=True) for name in output.formats]
            if sheet is not None and write_run_sheet(output.poses, sheet, video, output.view.style):
                files.append(sheet)
            report = self._counter.make_report(video, tuple(files))
        report = replace(report, seconds=time.monotonic() - self._began_s)
        if self._stitched is not None:
            report = replace(report, **vars(self._stitched))
        shutil.rmtree(self._folder, ignore_errors=True)
        return SplitReport(report, len(self.parts), reader.num_carried, reader.num_lost)

    def _name_part(self, number: int) -> Path:
        """The poses of a part."""
        return self._folder / f"{number:04}" / "poses.jsonl"

    def _select(self, start_s: float, end_s: float | None) -> Part:
        part: Part = {**self._part, "start_s": start_s, "end_s": end_s}
        return {**part, "anchor": self._anchor} if self._anchor is not None else part

    def _count(self, start_s: float, end_s: float | None) -> int | None:
        if end_s is None:
            return None
        return round((end_s - start_s) * float(self._info.fps) / self._part.get("every", 1))

    def _make_header(self, header: Header) -> Header:
        """The header of a run in one piece, from that of a part."""
        if header.provenance is None:
            return header
        return replace(header, provenance=_complete(header.provenance, self._settings, self._part))


def _complete(provenance: Provenance, settings: TrackerSettings, part: Part) -> Provenance:
    """What decides the poses of a run in one piece, from what decides those of a part."""
    recipe, used = settings.recipe, dict(provenance.recipe)
    if settings.smooth:
        used["smoother"] = digest_settings(recipe.smoother)
    if settings.stitch and recipe.stitcher is not None:
        used["stitcher"] = digest_settings(recipe.stitcher)
    return replace(
        provenance,
        recipe=used,
        start_s=part.get("start_s", 0.0),
        end_s=part.get("end_s"),
        selection=str(settings.selection),
    )


def is_of_run(header: Header, settings: TrackerSettings, part: Part) -> bool:
    """Whether saved poses are those of a run with these settings, as far as that is known without networks.

    Args:
        header: That of the poses.
        settings: Those of the tracker.
        part: The part of the source.
    """
    if header.provenance is None or header.recipe != settings.recipe.name:
        return False
    tables = {**settings.recipe.networks, "tracker": settings.recipe.tracker}
    digests = {name: digest_settings(table) for name, table in tables.items()}
    expected = _complete(replace(header.provenance, recipe=digests), settings, part)
    return expected == replace(header.provenance, every=part.get("every", 1))
