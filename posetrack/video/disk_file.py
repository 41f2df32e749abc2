"""The file that a video is written to: nothing that is on the disk is spoilt after the disk has failed."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from threading import Event, Thread

_EVERY_S = 1.0
_JOIN_S = 2.0
_THREAD_NAME = "posetrack-sync"

_log = logging.getLogger(__name__)


class DiskFile:
    """A new or emptied file, with the methods that PyAV calls.

    After a write has failed, every other one fails too: a container that is closed then would otherwise begin
    to turn the file into its finished form, and could not end that. What is written to a closed file is
    discarded: a container can be closed after it without a change to what is on the disk.

    Args:
        path: The file.
        is_synced: Whether it is written through to the disk once a second, for power cuts, on a thread of its
            own: a disk may take long. Where that is not possible, the system does it when it likes.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path, *, is_synced: bool = False) -> None:
        self.name = str(path)
        self._file = path.open("wb", buffering=0)
        self._failure: OSError | None = None
        self._stop = Event()
        self._thread: Thread | None = None
        if is_synced:
            self._thread = Thread(target=self._sync, name=_THREAD_NAME, daemon=True)
            self._thread.start()

    def write(self, data: bytes) -> int:
        """Write all of it.

        Raises:
            OSError: It cannot be written, or an earlier write could not.
        """
        if self._file.closed:
            return len(data)
        if self._failure is not None:
            raise OSError(self._failure.errno, self._failure.strerror)
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._failure = error
            raise
        return len(data)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, as in `io`."""
        return position if self._file.closed else self._file.seek(position, whence)

    def tell(self) -> int:
        """The position in bytes."""
        return 0 if self._file.closed else self._file.tell()

    def close(self) -> None:
        """Close it; a disk that hangs is left to the thread. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        if self._thread is None or not self._thread.is_alive():
            self._file.close()

    def _sync(self) -> None:
        try:
            while not self._stop.wait(_EVERY_S):
                os.fsync(self._file.fileno())
        except OSError as error:
            _log.warning("%s: not on the disk every second: %s", self.name, error.strerror)
