"""The base of all frame sources: `VideoInfo`, the selected part, and iteration."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.pipeline import prefetch
from posetrack.video.missing import MissingImages
from posetrack.video.silence import Silence

_log = logging.getLogger(__name__)

_CLOSE_S = 0.5


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a source that are known before its frames are read.

    Attributes:
        source: The source as the user gave it, an address without its secrets; see `posetrack.addresses`.
        name: A name for its outputs: the stem of a file, the name of a folder of images.
        width: Pixels, upright (display rotation applied) and square, of the first selected frame.
        height: Pixels, likewise.
        fps: Average frames per second of the source, before `every`.
        time_base: Seconds in one tick of the source's clock; frame times are whole ticks.
        num_frames: Number of selected frames (start, end and every applied); an estimate for
            progress, None if unknown.
        has_audio: Whether the source has audio.
        kind: A container that FFmpeg reads, or a sequence of image files.
        start_s: Time stamp of the source's first frame in its container, in seconds, where `Frame.time_s`
            is 0. The container's other streams (audio) are on the container's clock.
    """

    source: str
    name: str
    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    num_frames: int | None
    has_audio: bool = False
    kind: Literal["video", "images"] = "video"
    start_s: float = 0.0


@dataclass(frozen=True)
class Selection:
    """The selected frames of a source: start_s <= time < end_s, every n-th of them.

    Attributes:
        start_s: Start, in seconds from the source's first frame.
        end_s: End, exclusive; None for that of the source.
        every: Read every n-th frame.
        anchor: Of a video, index of the frame from which they are counted; None for the first one of the part.

    Raises:
        VideoError: The part is empty or negative, or `every` is below 1.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1
    anchor: int | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise VideoError(f"every {self.every}: give 1 for all frames, 2 for every second one, and so on")
        if not 0 <= self.start_s < float("inf"):
            raise VideoError(f"start {self.start_s:g} s: give seconds from the first frame, 0 or more")
        if self.end_s is not None and not self.end_s > self.start_s:
            raise VideoError(f"end {self.end_s:g} s is not after start {self.start_s:g} s: give a later end")

    def count(self, num_frames: int) -> int:
        """The number of frames that `every` leaves of `num_frames` consecutive frames of the part."""
        return max(0, -(-num_frames // self.every))

    def describe_empty(self, source: str, length_s: float | None) -> str:
        """The error message for a source that has no frame in this part.

        Args:
            source: The source as the user gave it.
            length_s: Its length in seconds; None if unknown.
        """
        end = "the end" if self.end_s is None else f"{self.end_s:g} s"
        length = "" if length_s is None else f"; it is {length_s:.4g} s long"
        return f"{source}: no frame between {self.start_s:g} s and {end}{length}; choose another start or end"


class VideoSource(ABC):
    """Frames of one source, in order of time; iterate over it once.

    One thread may iterate and another may close it; where the first hangs in reading, the source is released
    when that ends. Where the resolution of a stream changes, the size of the frames changes too, with a warning
    that says where. Pixels are square: images whose pixels are not are widened or narrowed. Interlaced images
    are not deinterlaced.

    Attributes:
        info: Properties of the source, as known when it was opened.
        warnings: One line for each fault that was recovered from; complete after the last frame.
        num_damaged: Number of packets or images that could not be decoded, or were decoded from damaged data.
        missing: The images that the selected part should have and does not give; complete after the last frame.
        audio_address: Path or URL to read the audio from, by opening it again; None where it has none, or is a
            pipe or a stream, which can be opened only once. Never to be shown: an address may have a password.
        is_live: Whether it captures on its own thread and yields its newest frame, so that nothing should
            queue.
    """

    info: VideoInfo
    is_live = False
    _selection = Selection()

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.num_damaged = 0
        self.missing: list[MissingImages] = []
        self.audio_address: str | None = None
        self._lock = threading.Lock()
        self._closing = False
        self._closed = False
        self._silence: Silence | None = None
        self._started = False
        self._size_wh: tuple[int, int] | None = None
        self._size_changed = False
        self._is_repeated = False

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames.

        Raises:
            RuntimeError: The source was iterated before.
            VideoError: The source can no longer be read.
            SilentSourceError: It has given no data for longer than its time-out.
        """
        if self._started:
            raise RuntimeError(f"{self.info.source}: already read; open it again to read it again")
        self._started = True
        if self._silence is None:
            return self._guarded_frames()
        return prefetch(self._guarded_frames(), 1, while_waiting=self._silence.check)

    def read_apart(self, silence: Silence) -> None:
        """Read on a thread of its own from now on, so that nobody else hangs where the source does.

        Args:
            silence: Its time-out.
        """
        self._silence = silence

    def reopen(self) -> VideoSource | None:
        """Open the same part of the source once more, from its beginning.

        Returns:
            Another source, with the same frames, whose faults are not logged again; None where they cannot be
            had again: of a camera, a stream, a pipe, or arrays.

        Raises:
            VideoError: It can no longer be read.
        """
        again = self._open_again()
        if again is not None:
            again._is_repeated = True
            again._silence = self._silence
        return again

    @property
    def selection(self) -> Selection:
        """The part of the source that is read."""
        return self._selection

    def list_files(self) -> tuple[Path, ...]:
        """The files that the frames come from; none of a camera, a stream, a pipe, or arrays."""
        return ()

    def close(self) -> None:
        """Release the source; frames already read stay valid. May be called twice."""
        self._closing = True
        if self._lock.acquire(timeout=_CLOSE_S):
            try:
                self._release_once()
            finally:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _guarded_frames(self) -> Iterator[Frame]:
        frames = self._read_frames()
        while True:
            with self._lock:
                try:
                    frame = None if self._closing else next(frames, None)
                finally:
                    if self._closing:
                        self._release_once()
            if self._silence is not None:
                self._silence.end()
            if frame is None:
                return
            yield frame

    def _release_once(self) -> None:
        if not self._closed:
            self._closed = True
            self._release()

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        if not self._is_repeated:
            _log.warning(message)

    def _tell(self, message: str) -> None:
        """Log something that is no fault."""
        if not self._is_repeated:
            _log.warning(message)

    def _watch_size(self, frame: Frame) -> None:
        """Warn about the first change of the image size."""
        if self._size_wh not in (None, frame.size_wh) and not self._size_changed:
            width, height = frame.size_wh
            self._size_changed = True
            self._warn(
                f"{self.info.source}: the image size changes at frame {frame.index}, to {width}x{height}"
            )
        self._size_wh = frame.size_wh

    def _open_again(self) -> VideoSource | None:
        return None

    @abstractmethod
    def _read_frames(self) -> Iterator[Frame]: ...

    @abstractmethod
    def _release(self) -> None: ...
