"""Recording of the annotated images, started and stopped while the session runs."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from posetrack.errors import VideoError
from posetrack.live.session import LiveFrame
from posetrack.video.base import VideoInfo
from posetrack.video.live import NOMINAL_FPS, TIME_BASE
from posetrack.video.writer import VideoWriter

_RETRY_S = 1.0
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE})

_log = logging.getLogger(__name__)


class Recorder:
    """Writes the annotated images to a video while recording is on; each recording is a new file.

    Existing files are kept: if `out.mp4` exists, `out-2.mp4` is written. A full disk ends the recording, not
    the session, and what was recorded is kept. Where too many files are open, it begins later.

    Args:
        path: Path of the first recording.
        on_failure: Called when a recording fails, to show that recording is off.
    """

    def __init__(self, path: Path, on_failure: Callable[[], None] = lambda: None) -> None:
        self._on_failure = on_failure
        self._first = self._path = path
        self._claimed: Path | None = None
        self._number = 1
        self._writer: VideoWriter | None = None
        self._has_failed = False
        self._waits_until_s: float | None = None
        self._is_closed = False
        # Closing waits for the image that is being written.
        self._lock = Lock()

    @property
    def path(self) -> Path:
        """The current recording, or the last one."""
        return self._path

    def show(self, shown: LiveFrame) -> None:
        """Write the image if recording is on."""
        with self._lock:
            if not shown.settings.is_recording:
                self._finish()
                self._has_failed, self._waits_until_s = False, None
            elif not self._has_failed and not self._is_closed:
                self._write(shown)

    def close(self) -> None:
        """Finish the video and write no more; may be called twice."""
        with self._lock:
            self._is_closed = True
            self._finish()

    def _write(self, shown: LiveFrame) -> None:
        if self._waits_until_s is not None and time.monotonic() < self._waits_until_s:
            return
        try:
            if self._writer is None:
                self._claim()
                self._writer = VideoWriter(self._path, _describe(self._path, shown), is_recording=True)
            self._writer.write(shown.drawn, shown.frame.time_s)
        except VideoError as error:
            self._writer = None
            kept = self._release()
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _SHORTAGES:
                self._wait(error)
                return
            self._has_failed = True
            _log.warning("recording stopped: %s%s", error, kept)
            self._on_failure()

    def _wait(self, error: VideoError) -> None:
        """Begin again later, as the recording has no open file."""
        if self._waits_until_s is None:
            _log.warning("recording waits: %s", error)
        self._waits_until_s = time.monotonic() + _RETRY_S

    def _claim(self) -> None:
        """Claim the first unused file name by creating an empty file, so that no other session takes it."""
        while True:
            stem = self._first.stem if self._number == 1 else f"{self._first.stem}-{self._number}"
            path = self._first.with_stem(stem)
            try:
                path.touch(exist_ok=False)
            except FileExistsError:
                self._number += 1
                continue
            except OSError as error:
                raise VideoError(
                    f"{path}: cannot be written: {error.strerror}; choose another file with --record"
                ) from error
            self._path = self._claimed = path
            return

    def _release(self) -> str:
        """Remove the file of a recording that failed if it is empty; else returns what to say of it."""
        claimed, self._claimed = self._claimed, None
        with suppress(OSError):
            if claimed is not None and claimed.stat().st_size == 0:
                claimed.unlink()
            elif claimed is not None:
                return "; what came before is kept"
        return ""

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except VideoError as error:
                _log.warning("recording not finished: %s%s", error, self._release())


def _describe(path: Path, shown: LiveFrame) -> VideoInfo:
    width, height = shown.frame.size_wh
    return VideoInfo(
        source=str(path),
        name=path.stem,
        width=width,
        height=height,
        fps=NOMINAL_FPS,
        time_base=TIME_BASE,
        num_frames=None,
    )
