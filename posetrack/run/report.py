"""What a run did."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from posetrack.frame import UNTRACKED, Frame
from posetrack.video.base import VideoSource


@dataclass(frozen=True)
class RunReport:
    """What a run did to one source.

    Attributes:
        name: Of the source.
        num_frames: Frames that were finished.
        num_people: People in them, each frame's counted anew.
        num_ids: Track ids among them.
        seconds: From the start to the last frame's writing.
        num_damaged: Packets or images of the source that could not be decoded.
        files: What was written: `poses.jsonl`, `overlay.mp4` if it was asked for, other formats.
    """

    name: str
    num_frames: int
    num_people: int
    num_ids: int
    seconds: float
    num_damaged: int
    files: tuple[Path, ...]

    @property
    def frames_per_s(self) -> float:
        """Finished frames a second."""
        return self.num_frames / max(self.seconds, 1e-9)

    @property
    def people_per_frame(self) -> float:
        """The mean number of people in a frame."""
        return self.num_people / max(self.num_frames, 1)


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C during a run, raised once the results so far are finished like any others.

    Attributes:
        report: What was done until then.
    """

    def __init__(self, report: RunReport) -> None:
        super().__init__(f"{report.name}: interrupted")
        self.report = report


class FrameCounter:
    """A sink that counts frames, people and ids, and the time since it was made."""

    def __init__(self) -> None:
        self.frames = 0
        self.people = 0
        self._ids: set[int] = set()
        self._started_s = self._last_s = time.monotonic()

    def __call__(self, frame: Frame) -> None:
        """Count one finished frame."""
        self.frames += 1
        self.people += len(frame.instances)
        if frame.instances.track_ids is not None:
            self._ids.update(frame.instances.track_ids.tolist())
        self._last_s = time.monotonic()

    @property
    def num_ids(self) -> int:
        """Track ids so far."""
        return len(self._ids - {UNTRACKED})

    def make_report(self, video: VideoSource, files: tuple[Path, ...]) -> RunReport:
        """What was counted until now.

        Args:
            video: That the frames came from.
            files: What was written.
        """
        return RunReport(
            name=video.info.name,
            num_frames=self.frames,
            num_people=self.people,
            num_ids=self.num_ids,
            seconds=self._last_s - self._started_s,
            num_damaged=video.num_damaged,
            files=files,
        )
