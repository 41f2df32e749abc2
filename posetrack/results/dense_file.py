r"""Dense poses of a clip in one `.npz` file, written as the frames come.

numpy alone reads a finished file, without pickles:

    with np.load("clip.npz") as file:
        header = json.loads(str(file["header"]))
        frame = file["frame_0000000012"]              # frame["time_s"], frame["people"]["track_id"], ...
        pngs = file["frame_0000000012_png"]           # bytes

Members, in this order, all stored without compression:

    header       text of JSON with "schema": "posetrack-dense/1" and the fields of the header of `poses.jsonl`
    frame_N      a record of `frame` (position in the source, from 0), `time_s` (seconds), `width`, `height` (of
                 the image in pixels) and `people`, one record for each person with a dense pose:
                 `track_id` (-1: not tracked), `box_xywh` (left, top, width, height in pixels, not rounded),
                 `score`; `x, y, w, h`, the whole pixels that the dense pose is over: the box, truncated, its
                 width and height at least 1; `png_offset` and `png_size`, where its PNG is in the bytes
    frame_N_png  bytes: the PNGs of these people; red, green and blue are the chart (1..24, 0 for the
                 background), 255 u and 255 v, truncated
    final_ids    records of `frame`, `row` and `track_id`: ids after the joining of tracks, -1 for people who
                 were left out then; in the order of the file. Only where tracks were joined

N has ten digits. Every frame is there, those without people as well.
The file of a run that was killed has no directory at its end, and numpy cannot open it; `posetrack.read_dense`
finds its frames nonetheless, and `posetrack convert FILE --to npz --out FOLDER` writes them as a whole file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from posetrack.errors import ResultsError
from posetrack.frame import Instances, IntArray
from posetrack.results.dense_index import DenseFile, WholeFrames, has_dense_header
from posetrack.results.dense_records import (
    FINAL_ID,
    FINAL_IDS_NAME,
    HEADER_NAME,
    DensePerson,
    encode_array,
    encode_dense_header,
    encode_frame,
    encode_people,
)
from posetrack.results.record import Header
from posetrack.results.zip_members import Member, MemberWriter

_log = logging.getLogger(__name__)


class DenseWriter:
    """Writes dense poses frame by frame; each frame is on its way to the disk when `write` returns.

    Args:
        path: The file; its folder is made, and an older file of this name is replaced.
        header: Written at once.
        is_resumed: Go on behind the last whole frame of the file instead, if there is one; its header stays.
            Final ids are taken out.
        keep_frames: How many of its frames to keep then, at most; None for all.

    Attributes:
        path: The file.
        num_frames: Frames that were in the file at first, and are kept.

    Raises:
        ResultsError: The file cannot be written; or it is to be resumed, and is of another kind.
    """

    def __init__(
        self, path: Path | str, header: Header, *, is_resumed: bool = False, keep_frames: int | None = None
    ) -> None:
        self.path = Path(path)
        self._header = header
        self._last_frame = -1
        self.num_frames = 0
        if not is_resumed or not has_dense_header(self.path):
            self._writer = MemberWriter(self.path)
            try:
                self._writer.append([(HEADER_NAME, encode_dense_header(header))])
            except ResultsError:
                self._writer.abandon()
                raise
            return
        walk = WholeFrames(self.path, keep_frames)
        self._writer = MemberWriter(self.path, walk)
        self.num_frames, self._last_frame = walk.num_frames, walk.last_frame
        if walk.rest_bytes:
            _log.warning(
                "%s: damaged behind frame %d; the last %d bytes are cut off, and their frames done again",
                self.path,
                self._last_frame,
                walk.rest_bytes,
            )

    def write(
        self, frame_index: int, time_s: float, instances: Instances, size_wh: tuple[int, int] | None = None
    ) -> IntArray:
        """Append one frame.

        Args:
            frame_index: Position in the source, from 0; later than the last one.
            time_s: Presentation time in seconds.
            instances: The people; those with a dense pose are written.
            size_wh: Width and height of the image in pixels; None for that of the header.

        Returns:
            The row of each person in the frame's people, (N,), for `Instances.dense_rows`; -1 where there is no
            dense pose.

        Raises:
            ResultsError: The file cannot be written. The frames before stay whole.
            ValueError: The frame is not later than the last one, or a dense pose is not of the size of its box.
        """
        people, rows = encode_people(instances, f"frame {frame_index}")
        self.write_people(frame_index, time_s, people, size_wh)
        return rows

    def write_people(
        self,
        frame_index: int,
        time_s: float,
        people: Sequence[DensePerson],
        size_wh: tuple[int, int] | None = None,
    ) -> None:
        """Append one frame whose dense poses are encoded; otherwise as `write`."""
        if frame_index <= self._last_frame:
            raise ValueError(f"frame {frame_index} comes after {self._last_frame}; expected more")
        self._writer.append(encode_frame(frame_index, time_s, size_wh or self._header.size_wh, people))
        self._last_frame = frame_index

    def close(self) -> None:
        """Write the directory and close the file; closing it twice does no harm.

        Raises:
            ResultsError: The directory cannot be written; the frames are there.
        """
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(ResultsError):  # The first error says more, and the frames are found without it.
                self.close()


def write_final_ids(path: Path | str, ids: npt.ArrayLike) -> None:
    """Write the ids that joining of tracks gave into a file of dense poses; older ones are replaced.

    Args:
        path: The file.
        ids: (records,) for each person of each frame, in the order of the file; -1 for those who were left out.

    Raises:
        ResultsError: The file cannot be read or written, or is not as `DenseWriter` wrote it.
        ValueError: There are more people in the file, or fewer.
    """
    path = Path(path)
    file = DenseFile(path)
    counts = [file.count_people(place) for place in range(len(file.frames))]
    ids = np.asarray(ids, np.int64)
    if ids.shape != (sum(counts),):
        raise ValueError(f"{path}: expected ids ({sum(counts)},) of its people, got {ids.shape}")
    table = np.zeros(len(ids), FINAL_ID)
    table["frame"] = np.repeat(file.frames, counts)
    table["row"] = np.concatenate([np.arange(count) for count in [*counts, 0]])
    table["track_id"] = ids
    writer = MemberWriter(path, _list_all_frames(path, len(counts)))
    try:
        writer.append([(FINAL_IDS_NAME, encode_array(table))])
    finally:
        writer.close()


def _list_all_frames(path: Path, num_frames: int) -> Iterator[Member]:
    """The members to keep; an error comes before anything is cut off."""
    frames = WholeFrames(path)
    yield from frames
    if frames.num_frames != num_frames:
        raise ResultsError(
            f"{path}: not as it was written, but packed anew; posetrack convert {path} --to npz --out FOLDER "
            "writes it again"
        )
