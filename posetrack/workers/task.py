"""The unit of work of a worker, what it tells while it works, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from posetrack.garbage import without_garbage
from posetrack.recipe import Recipe
from posetrack.run.job import Output
from posetrack.run.report import RunReport
from posetrack.run.sources import Part
from posetrack.run.tracker import Tracker
from posetrack.run.view import DrawnView
from posetrack.selection.people import EVERYONE, PeopleSelection

MOST_TRIES = 3
"""How often a task is begun whose worker does not live to its end."""


@dataclass(frozen=True)
class TrackerSettings:
    """What a worker needs to load the networks, once for all of its tasks.

    Attributes:
        recipe: The recipe.
        device: As for `Tracker`, like the following ones.
        engine: Likewise.
        precision: Likewise.
        batch_frames: Likewise.
        smooth: Likewise.
        selection: Likewise.
        stitch: Whether tracks are joined at the end of a run.
        log_level: Log records of a worker from this level on are passed on.
    """

    recipe: Recipe
    device: str = "auto"
    engine: str = "auto"
    precision: str = "auto"
    batch_frames: int | None = None
    smooth: bool = False
    selection: PeopleSelection = EVERYONE
    stitch: bool = True
    log_level: int = 30

    def load(self, device: str | None = None) -> Tracker:
        """Load the networks.

        Args:
            device: Instead of the settings' own.

        Raises:
            PoseTrackError: As for `Tracker`.
        """
        with without_garbage():
            return Tracker(
                self.recipe,
                device=self.device if device is None else device,
                engine=self.engine,
                precision=self.precision,
                batch_frames=self.batch_frames,
                smooth=self.smooth,
                selection=self.selection,
            )


@dataclass(frozen=True)
class VideoTask:
    """A unit of work: to track the people of one source, and write the results into its folder.

    Attributes:
        number: Position among all tasks.
        name: Name of the source.
        source: The source, as for `open_source`: a path, a pattern, or the images of a sequence.
        part: The part of it.
        output: What is written where.
        sheet: A contact sheet to write as well.
        num_frames: Expected number of frames, for progress; None if unknown.
        notes: File for what the joining of parts needs besides poses; None for a whole source.
    """

    number: int
    name: str
    source: str | tuple[str, ...]
    part: Part
    output: Output
    sheet: Path | None = None
    num_frames: int | None = None
    notes: Path | None = None

    def begin_again(self, *, has_begun: bool) -> VideoTask:
        """The task after its worker was lost: it goes on behind the last whole record.

        Args:
            has_begun: Whether the lost worker has written frames, and so replaced what was to be overwritten.
        """
        if self.output.existing == "overwrite" and not has_begun:
            return self
        return replace(self, output=replace(self.output, existing="resume", finished_frames=None))


@dataclass(frozen=True)
class DrawTask:
    """A unit of work: to draw the annotated video of a part of a source, from saved poses of the whole.

    Attributes:
        number: Position among all tasks.
        name: Name of the source.
        source: The source, as for `open_source`.
        part: The part of it.
        poses: The poses.
        out: The video, without sound; nothing is done if it is there.
        view: What it shows.
        frames: Indices of the part's first frame and of its last one.
        num_frames: Expected number of frames, for progress; None if unknown.
    """

    number: int
    name: str
    source: str | tuple[str, ...]
    part: Part
    poses: Path
    out: Path
    view: DrawnView
    frames: tuple[int, int]
    num_frames: int | None = None

    def begin_again(self, *, has_begun: bool) -> DrawTask:
        """The task after its worker was lost: from its beginning."""
        return self


Task = VideoTask | DrawTask
"""A unit of work."""


@dataclass(frozen=True)
class Progress:
    """What a worker tells of a task that it works on.

    Attributes:
        number: That of the task.
        frames: Finished frames.
        people: People in the last one.
        worker: Name of the worker.
    """

    number: int
    frames: int
    people: int
    worker: str = ""


@dataclass(frozen=True)
class Note:
    """A log record of a worker.

    Attributes:
        level: Its level.
        text: The message.
    """

    level: int
    text: str


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes:
        number: That of the task.
        worker: Name of the worker.
        report: The report; None where it failed, and of a drawing.
        error: One line on why it failed; empty where it did not.
        is_fatal: Whether no other task can do better, so that all end.
    """

    number: int
    worker: str
    report: RunReport | None = None
    error: str = ""
    is_fatal: bool = False


Tell = Callable[[Progress | Note], None]
"""Called with what the workers tell, on the caller's thread."""


class TaskRunner(Protocol):
    """What hands tasks to workers, and begins those again whose worker was lost."""

    def run(self, tasks: Iterable[Task], tell: Tell) -> Generator[Outcome]:
        """Do tasks.

        Args:
            tasks: Taken when a worker is about to be free.
            tell: Told what the workers tell.

        Yields:
            One outcome a task, in the order in which they end. Closing the generator ends the workers; their
            files are closed first.
        """
        ...
