"""Where the frames of a file of dense poses are, whether it is whole or its writer was killed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, IntArray
from posetrack.results.dense_records import (
    DENSE_SCHEMA,
    FINAL_ID,
    FINAL_IDS_NAME,
    HEADER_NAME,
    Records,
    cut_png,
    decode_array,
    decode_dense_header,
    decode_frame,
    decode_record,
    name_members,
    parse_name,
    take_box,
)
from posetrack.results.dense_results import DenseResult
from posetrack.results.jsonl_lines import cannot_read
from posetrack.results.zip_members import Member, MemberWalk, read_directory, read_member

_PLACE = np.dtype([(name, np.int64) for name in Member._fields[1:]])
_FIRST = Member(HEADER_NAME, 0, 0, 0, 0).pack_header()
_NAME_AT = len(_FIRST) - len(HEADER_NAME)
_CRC_AT = 14

_log = logging.getLogger(__name__)


class SavedFrame(NamedTuple):
    """A frame of the file.

    Attributes:
        frame_index: Position in the source.
        time_s: Presentation time in seconds.
        size_wh: Width and height of the image in pixels.
        people: Records of `dense_records.PERSON`.
        rows: (N,) their rows in the frame's part of the file.
        place: Of the frame in `DenseFile.frames`.
        where: Name of the frame in messages.
    """

    frame_index: int
    time_s: float
    size_wh: tuple[int, int]
    people: Records
    rows: IntArray
    place: int
    where: str


class DenseFile:
    """A file of dense poses, of which frames are read as they are asked for.

    Args:
        path: The file.

    Attributes:
        path: The file.
        header: Its header.
        frames: (F,) the frames' positions in the source, ascending.

    Raises:
        ResultsError: The file cannot be read, or is no file of dense poses of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        members, rest_bytes = _list_members(path)
        header = members.get(HEADER_NAME)
        if header is None:
            raise ResultsError(
                f"{path}: not a file of dense poses, or damaged; expected a header with schema '{DENSE_SCHEMA}'"
            )
        self.header = decode_dense_header(self._read(header), path)
        places = {parse_name(name): member for name, member in members.items()}
        numbers = sorted(place[0] for place in places if place is not None and not place[1])
        pairs = [[places.get((number, part)) for part in (False, True)] for number in numbers]
        for number, (_, pngs) in zip(numbers, pairs, strict=True):
            if pngs is None:
                name = name_members(number)[1]
                raise ResultsError(f"{path}: frame {number}: no {name}; write the file again")
        self.frames: IntArray = np.array(numbers, np.int64)
        flat = [tuple(member[1:]) for pair in pairs for member in pair if member is not None]
        self._places = np.array(flat, _PLACE).reshape(-1, 2)
        self._final_ids = self._read_final_ids(members.get(FINAL_IDS_NAME))
        if rest_bytes:
            last = numbers[-1] if numbers else None
            after = "the header" if last is None else f"frame {last}"
            _log.warning("%s: cut short behind %s; the last %d bytes are left out", path, after, rest_bytes)

    def find(self, frame_index: int) -> int | None:
        """The place of a frame in `frames`; None where it is not in the file."""
        place = int(np.searchsorted(self.frames, frame_index))
        return place if place < len(self.frames) and self.frames[place] == frame_index else None

    def count_people(self, place: int) -> int:
        """The number of people of a frame as it was saved.

        Args:
            place: In `frames`.

        Raises:
            ResultsError: It is damaged.
        """
        where = f"{self.path}: frame {self.frames[place]}"
        return len(decode_record(self._read_part(place, 0), where)["people"])

    def read_saved(self, place: int) -> SavedFrame:
        """Read a frame as it was saved, without its dense poses.

        Args:
            place: In `frames`.

        Raises:
            ResultsError: It is damaged.
        """
        number = int(self.frames[place])
        where = f"{self.path}: frame {number}"
        record = decode_frame(self._read_part(place, 0), number, where)
        size_wh = int(record["width"]), int(record["height"])
        people = record["people"]
        return SavedFrame(
            number, float(record["time_s"]), size_wh, people, np.arange(len(people)), place, where
        )

    def read(self, place: int) -> SavedFrame:
        """Read a frame with its final ids, without the people who were left out when tracks were joined.

        Args:
            place: In `frames`.

        Raises:
            ResultsError: It is damaged.
        """
        frame = self.read_saved(place)
        if self._final_ids is None:
            return frame
        first, end = np.searchsorted(self._final_ids["frame"], [frame.frame_index, frame.frame_index + 1])
        final = self._final_ids[first:end]
        if not np.array_equal(final["row"], frame.rows):
            raise ResultsError(f"{frame.where}: {FINAL_IDS_NAME} has other rows; write the file again")
        ids = final["track_id"]
        kept = (ids != UNTRACKED) | (frame.people["track_id"] == UNTRACKED)
        people = frame.people.copy()
        people["track_id"] = ids
        return frame._replace(people=people[kept], rows=frame.rows[kept])

    def list_results(self, frame: SavedFrame) -> list[DenseResult]:
        """The people of a frame, whose dense poses are read when they are decoded."""
        return [
            DenseResult(
                image_id=frame.frame_index,
                score=float(person["score"]),
                box=take_box(person),
                content=partial(self._read_png, frame.place, person, f"{frame.where}: people[{row}]"),
                where=f"{frame.where}: people[{row}]",
                track_id=int(person["track_id"]),
            )
            for person, row in zip(frame.people, frame.rows.tolist(), strict=True)
        ]

    def _read_png(self, place: int, person: Any, where: str) -> bytes:
        return cut_png(person, self.read_pngs(place), where)

    def pick(self, frame_index: int, rows: IntArray, where: str) -> SavedFrame:
        """Read a frame as it was saved, with the people of these rows.

        Args:
            frame_index: Its position in the source.
            rows: (N,) for N people of a `poses.jsonl`; -1 for those without a dense pose, who are left out.
            where: Name of the frame there in messages.

        Raises:
            ResultsError: There is no such frame or row, or it is damaged.
        """
        place = self.find(frame_index)
        if place is None:
            raise ResultsError(f"{where}: not in {self.path}; do both files belong together?")
        saved = self.read_saved(place)
        for i, row in enumerate(rows):
            if row >= len(saved.people):
                raise ResultsError(
                    f"{where}: people[{i}].dense: {row}, but {self.path} has {len(saved.people)} people there; "
                    "do both files belong together?"
                )
        chosen = rows[rows >= 0]
        return saved._replace(people=saved.people[chosen], rows=chosen)

    def read_pngs(self, place: int) -> npt.NDArray[np.uint8]:
        """Read the bytes of a frame's PNGs.

        Args:
            place: In `frames`.

        Raises:
            ResultsError: They are damaged.
        """
        name = name_members(int(self.frames[place]))[1]
        pngs = decode_array(self._read_part(place, 1), f"{self.path}: {name}")
        if pngs.dtype != np.uint8 or pngs.ndim != 1:
            raise ResultsError(f"{self.path}: {name}: expected bytes, found {pngs.dtype} {pngs.shape}")
        return pngs

    def _read_part(self, place: int, part: int) -> bytes:
        name = name_members(int(self.frames[place]))[part]
        return self._read(Member(name, *self._places[place, part].tolist()))

    def _read(self, member: Member) -> bytes:
        try:
            with self.path.open("rb") as file:
                content = read_member(file, member)
        except OSError as error:
            raise cannot_read(self.path, error) from error
        if content is None:
            raise ResultsError(f"{self.path}: {member.name}: damaged; write the file again")
        return content

    def _read_final_ids(self, member: Member | None) -> Records | None:
        if member is None:
            return None
        ids = decode_array(self._read(member), f"{self.path}: {FINAL_IDS_NAME}")
        if ids.dtype != FINAL_ID or ids.ndim != 1 or (np.diff(ids["frame"]) < 0).any():
            raise ResultsError(f"{self.path}: {FINAL_IDS_NAME}: not ids in the order of frames; write it again")
        return ids


class WholeFrames:
    """The members at the beginning of a file that make its header and whole frames.

    Args:
        path: The file.
        most: Frames to yield at most; None for all.

    Attributes:
        num_frames: Frames that were yielded.
        last_frame: Number of the last of them; -1 before the first.
        rest_bytes: Once all were yielded: size of damaged members behind them.
        final_ids: The final ids behind them, where there are some.
    """

    def __init__(self, path: Path, most: int | None = None) -> None:
        self._walk = MemberWalk(path)
        self._most = most
        self.num_frames = 0
        self.last_frame = -1
        self.rest_bytes = 0
        self.final_ids: Member | None = None

    def __iter__(self) -> Iterator[Member]:
        """Find them.

        Raises:
            ResultsError: The file cannot be read.
        """
        first: Member | None = None
        for member in self._walk:
            number, has_pngs = parse_name(member.name) or (-1, False)
            if member.name == HEADER_NAME and member.offset == 0:
                yield member
            elif self.num_frames == self._most:
                return
            elif first is None and not has_pngs and number > self.last_frame:
                first = member
            elif first is not None and member.name == name_members(number)[1] == _name_other(first.name):
                yield first
                yield member
                self.num_frames, self.last_frame, first = self.num_frames + 1, number, None
            else:
                self.final_ids = member if member.name == FINAL_IDS_NAME and first is None else None
                break
        self.rest_bytes = self._walk.rest_bytes
        if first is not None:
            self.rest_bytes += self._walk.end - first.offset


def _name_other(name: str) -> str:
    """The name of a frame's second member, by that of its first."""
    return name.removesuffix(".npy") + "_png.npy"


def _list_members(path: Path) -> tuple[dict[str, Member], int]:
    """The members by name, and how many bytes are damaged behind them."""
    listed = read_directory(path)
    if listed is not None:
        return {member.name: member for member in listed}, 0
    frames = WholeFrames(path)
    members = {member.name: member for member in frames}
    if frames.final_ids is not None:
        members[FINAL_IDS_NAME] = frames.final_ids
    return members, frames.rest_bytes


def is_dense_file(path: Path) -> bool:
    """Whether a file is one of dense poses, by its name or its first bytes; of a missing file by its name."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_FIRST))
    except OSError:
        start = b""
    is_ours = start[:4] == _FIRST[:4] and start[_NAME_AT:] == _FIRST[_NAME_AT:]
    return is_ours or path.suffix.lower() == ".npz"


def has_dense_header(path: Path) -> bool:
    """Whether a file has the header of dense poses; False where there is no file, or only a torn header.

    Raises:
        ResultsError: The file cannot be read, or is of another kind or version.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_FIRST))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise cannot_read(path, error) from error
    first = next(iter(WholeFrames(path)), None)
    if first is None and _is_torn(start) and read_directory(path) is None:
        return False
    if first is None:
        raise ResultsError(f"{path}: not a file of dense poses as they are written; use another folder")
    with path.open("rb") as file:
        content = read_member(file, first)
    decode_dense_header(content or b"", path)
    return True


def _is_torn(start: bytes) -> bool:
    """Whether a file that has no whole member begins like one of ours, or holds nothing."""
    begins_alike = _FIRST.startswith(start[:_CRC_AT]) and _FIRST[_NAME_AT:].startswith(start[_NAME_AT:])
    return begins_alike or not start.strip(b"\0")
