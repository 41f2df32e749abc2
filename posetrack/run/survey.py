"""Survey of saved poses: who is in them and when, before anything is made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from posetrack.errors import ResultsError
from posetrack.frame import UNTRACKED, Frame
from posetrack.render import PersonColors
from posetrack.results.poses import SavedPoses
from posetrack.run.sources import DEFAULT_FPS
from posetrack.selection.choose import choose_saved
from posetrack.selection.people import EVERYONE, PeopleSelection
from posetrack.video.base import Selection


@dataclass
class Presence:
    """When one person is there.

    Attributes:
        track_id: Of the person.
        first_s: Time of the first frame with the person.
        last_s: Time of the last one.
        num_frames: How many frames have the person.
    """

    track_id: int
    first_s: float
    last_s: float
    num_frames: int


@dataclass(frozen=True)
class PosesSurvey:
    """What is in a part of saved poses.

    Attributes:
        first: The first frame of the part.
        first_with_people: The first one with somebody who is wanted; the first one where there is none.
        num_frames: Frames of the part.
        num_read: Frames of the file up to the end of the part.
        gap_s: The usual time between two frames, in seconds.
        people: Those of the part who are wanted, by id, in the order in which they come.
        ids: All ids of the file, of others and before and behind the part, too.
        colors: Their colours, which are those of a drawing of everybody from the first frame on.
    """

    first: Frame
    first_with_people: Frame
    num_frames: int
    num_read: int
    gap_s: float
    people: dict[int, Presence]
    ids: frozenset[int]
    colors: PersonColors


class _Reader:
    """Reads the frames of a part, and counts on the way."""

    def __init__(self, poses: SavedPoses, part: Selection) -> None:
        self._poses, self._part = poses, part
        self.num_read = self.num_frames = 0
        self.ids: set[int] = set()
        self.colors = PersonColors()
        self.gaps: Counter[float] = Counter()
        self.first: Frame | None = None

    def read(self) -> Iterator[Frame]:
        last_s: float | None = None
        number = 0
        for number, frame in enumerate(self._poses, start=1):
            ids = _list_ids(frame)
            self.ids.update(ids)
            self.colors.follow(ids, frame.index)
            if not is_in_part(frame, self._part):
                continue
            self.first = self.first or frame
            self.num_read, self.num_frames = number, self.num_frames + 1
            if last_s is not None:
                self.gaps[round(frame.time_s - last_s, 3)] += 1
            last_s = frame.time_s
            yield frame
        if not number:
            raise ResultsError(
                f"{self._poses.path}: holds no frames; run the video again, or give another file"
            )
        if self.first is None:
            raise ResultsError(self._part.describe_empty(str(self._poses.path), None))


def survey_poses(poses: SavedPoses, part: Selection, selection: PeopleSelection = EVERYONE) -> PosesSurvey:
    """Read saved poses once, to the end.

    Args:
        poses: The poses.
        part: The part of them that counts; its `every` does not.
        selection: The people who are wanted.

    Raises:
        ResultsError: A line is not what it should be; or there is no frame in the part.
        PoseTrackError: The poses have no such id, or their images no such region.
    """
    reader = _Reader(poses, part)
    people: dict[int, Presence] = {}
    with_people: Frame | None = None
    for frame in choose_saved(selection)(reader.read()):
        if with_people is None and len(frame.instances):
            with_people = frame
        for track_id in _list_ids(frame):
            seen = people.setdefault(track_id, Presence(track_id, frame.time_s, frame.time_s, 0))
            seen.last_s = frame.time_s
            seen.num_frames += 1
    selection.check_ids(reader.ids, str(poses.path))
    first = reader.first
    assert first is not None
    return PosesSurvey(
        first=first,
        first_with_people=with_people or first,
        num_frames=reader.num_frames,
        num_read=reader.num_read,
        gap_s=reader.gaps.most_common(1)[0][0] if reader.gaps else float(1 / (poses.header.fps or DEFAULT_FPS)),
        people=people,
        ids=frozenset(reader.ids),
        colors=reader.colors,
    )


def is_in_part(frame: Frame, part: Selection) -> bool:
    """Whether a saved frame is in a part of a video, by its time."""
    # Times are saved with six decimals.
    return frame.time_s >= part.start_s - 1e-6 and (part.end_s is None or frame.time_s < part.end_s - 1e-6)


def _list_ids(frame: Frame) -> list[int]:
    ids = frame.instances.track_ids
    return [] if ids is None else [number for number in ids.tolist() if number != UNTRACKED]
