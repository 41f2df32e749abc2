"""The report of a run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from posetrack.frame import UNTRACKED, Frame
from posetrack.notebook import show_facts
from posetrack.video.base import VideoSource
from posetrack.video.missing import MissingImages, sum_missing


@dataclass(frozen=True)
class RunReport:
    """Counts and files of a run over one source.

    >>> from tempfile import TemporaryDirectory
    >>> from posetrack import Tracker
    >>> with TemporaryDirectory() as folder:
    ...     report = Tracker("fast").run("docs/media/street.mp4", folder, start_s=3.2, end_s=3.3)
    >>> report.num_frames, report.num_ids, [file.name for file in report.files]
    (3, 1, ['poses.jsonl', 'overlay.mp4'])

    Attributes:
        name: Name of the source.
        num_frames: Number of finished frames.
        num_people: Number of people, summed over the frames.
        num_ids: Number of different track ids.
        seconds: Time from the start until the last frame was written.
        num_damaged: Packets or images of the source that could not be decoded.
        files: The written files: `poses.jsonl`, `overlay.mp4` if requested, other formats.
        num_joined: Number of track ids that were joined with an earlier one after the run.
        num_dropped: Number of short tracks that were left out after the run.
        num_interpolated: Number of people, of `num_people`, who were interpolated after the run.
        num_exchanged: Number of track ids that go on in another's track after people met.
        missing: Images that the source should have and did not give, in runs.
        num_restored: Number of frames, of `num_frames`, that an interrupted run had saved.
    """

    name: str
    num_frames: int
    num_people: int
    num_ids: int
    seconds: float
    num_damaged: int
    files: tuple[Path, ...]
    num_joined: int = 0
    num_dropped: int = 0
    num_interpolated: int = 0
    num_exchanged: int = 0
    missing: tuple[MissingImages, ...] = ()
    num_restored: int = 0

    def __repr__(self) -> str:
        return (
            f"RunReport({self.name!r}: {self.num_frames} frames, {self.people_per_frame:.1f} people a frame, "
            f"{self.num_ids} ids, {len(self.files)} files)"
        )

    def _repr_html_(self) -> str:
        return show_facts(
            {
                "source": self.name,
                "frames": self.num_frames,
                "people a frame": f"{self.people_per_frame:.1f}",
                "track ids": self.num_ids,
                "frames a second": f"{self.frames_per_s:.1f}",
                "files": ", ".join(map(str, self.files)),
            }
        )

    @property
    def num_missing(self) -> int:
        """Number of missing images, as far as it is known."""
        return sum_missing(self.missing)[1]

    @property
    def missing_s(self) -> float:
        """Seconds without images, as far as they are known."""
        return sum_missing(self.missing)[0]

    @property
    def is_source_whole(self) -> bool:
        """Whether no image of the source is missing and nothing in it was damaged."""
        return not self.missing and not self.num_damaged

    @property
    def frames_per_s(self) -> float:
        """Finished frames per second."""
        return self.num_frames / max(self.seconds, 1e-9)

    @property
    def people_per_frame(self) -> float:
        """Mean number of people per frame."""
        return self.num_people / max(self.num_frames, 1)


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C during a run, raised after the results so far are finished.

    Attributes:
        report: The report up to then.
    """

    def __init__(self, report: RunReport) -> None:
        super().__init__(f"{report.name}: interrupted")
        self.report = report


class FrameCounter:
    """A sink that counts frames, people and ids, and the time since it was made."""

    def __init__(self) -> None:
        self.frames = 0
        self.people = 0
        self.restored = 0
        self._ids: set[int] = set()
        self._started_s = self._last_s = time.monotonic()

    def __call__(self, frame: Frame) -> None:
        """Count one finished frame."""
        self.frames += 1
        self.restored += int(frame.is_restored)
        self.people += len(frame.instances)
        if frame.instances.track_ids is not None:
            self._ids.update(frame.instances.track_ids.tolist())
        self._last_s = time.monotonic()

    @property
    def num_ids(self) -> int:
        """Number of track ids so far."""
        return len(self._ids - {UNTRACKED})

    def make_report(self, video: VideoSource, files: tuple[Path, ...]) -> RunReport:
        """Make the report.

        Args:
            video: The source of the frames.
            files: The written files.
        """
        return RunReport(
            name=video.info.name,
            num_frames=self.frames,
            num_people=self.people,
            num_ids=self.num_ids,
            seconds=self._last_s - self._started_s,
            num_damaged=video.num_damaged,
            files=files,
            missing=tuple(video.missing),
            num_restored=self.restored,
        )
