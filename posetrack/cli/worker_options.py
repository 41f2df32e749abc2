"""Options of `posetrack run` that spread its work over workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from posetrack.cli.options import PartOptions, check_finite
from posetrack.errors import PoseTrackError, VideoError

if TYPE_CHECKING:
    from posetrack.workers.task import TaskRunner, TrackerSettings

_PANEL = "Workers"


@dataclass(frozen=True)
class SourceOptions(PartOptions):
    """Options of the sources: which part of each, and which workers do it."""

    PANEL: ClassVar[str] = "Source"

    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Do N sources at a time, in processes of this machine that share its cores.",
            show_default="one after the other",
            rich_help_panel=_PANEL,
        ),
    ] = None

    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|auto",
            help="Do the sources on a Ray cluster, by the address of its head; auto: the one that this machine "
            "belongs to.",
            show_default="this machine alone",
            rich_help_panel=_PANEL,
        ),
    ] = None
    split: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            callback=check_finite,
            help="Split each video into parts of about this length, which workers do at the same time.",
            show_default="whole videos",
            rich_help_panel=_PANEL,
        ),
    ] = None

    @property
    def is_spread(self) -> bool:
        """Whether workers do the work, and not this process."""
        return self.workers is not None or self.cluster is not None

    def check_workers(self) -> None:
        """Find mistakes in these options before any work.

        Raises:
            PoseTrackError: Their values are out of range.
        """
        from posetrack.workers.local import count_cores

        if self.split is not None and not self.is_spread:
            raise PoseTrackError(
                "--split: the parts are for several workers; give --workers N or --cluster ADDRESS"
            )
        cores = count_cores()
        if self.cluster is not None:
            if self.workers is not None and self.workers < 1:
                raise PoseTrackError(f"--workers {self.workers}: give 1 or more, or leave it out")
        elif self.workers is not None and not 1 <= self.workers <= cores:
            raise PoseTrackError(f"--workers {self.workers}: this machine has {cores} cores; give 1 to {cores}")

    def make_runner(self, out: Path, settings: TrackerSettings) -> TaskRunner:
        """Make what hands the sources to workers; a cluster is joined.

        Args:
            out: The folder of all results.
            settings: Those of the tracker.

        Raises:
            PoseTrackError: The cluster cannot be joined.
            MissingPackageError: Ray is not installed.
        """
        if self.cluster is not None:
            from posetrack.workers.ray_runner import RayRunner

            return RayRunner(settings, self.cluster, out, self.workers)
        from posetrack.workers.local import LocalRunner

        return LocalRunner(settings, self.workers or 1)

    def check_sources(self, groups: Sequence[str | tuple[str, ...]]) -> None:
        """Check that workers can read the sources, and read them again.

        Raises:
            VideoError: One is a stream, a pipe or a device.
        """
        from posetrack.addresses import show_address
        from posetrack.video.source import may_be_silent

        for source in groups:
            if may_be_silent(source):
                raise VideoError(
                    f"{show_address(str(source))}: a live source, a pipe or an address, which cannot be read "
                    "again by another worker; run it without --workers, --cluster and --split"
                )
