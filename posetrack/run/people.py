"""What is told of each person after a run: when they are seen, and how clearly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from posetrack.frame import UNTRACKED, Frame


@dataclass(frozen=True)
class PersonReport:
    """One person of a run.

    Attributes:
        track_id: The person's id.
        num_frames: Number of frames in which the person is.
        seconds: Time on screen: the frames in which the person is, each as long as until the next frame.
        score: Mean score, from 0 to 1.
        first_frame: Index of the first frame.
        last_frame: Index of the last frame.
    """

    track_id: int
    num_frames: int
    seconds: float
    score: float
    first_frame: int
    last_frame: int


def report_people(frames: Iterable[Frame]) -> tuple[PersonReport, ...]:
    """Report the people of saved poses, those who are seen longest first.

    Args:
        frames: The frames of a file, in order.
    """
    seen: dict[int, _Person] = {}
    here: list[_Person] = []
    before_s, lasts_s = None, 0.0
    for frame in frames:
        if before_s is not None:
            lasts_s = frame.time_s - before_s
            for person in here:
                person.seconds += lasts_s
        here = list(_see(frame, seen))
        before_s = frame.time_s
    for person in here:  # The last frame lasts as long as the one before it.
        person.seconds += lasts_s
    people = [
        PersonReport(
            track_id,
            person.num_frames,
            person.seconds,
            person.scores / person.num_frames,
            person.first,
            person.last,
        )
        for track_id, person in seen.items()
    ]
    return tuple(sorted(people, key=lambda person: (-person.num_frames, person.track_id)))


@dataclass
class _Person:
    """Sums over the frames of a person so far."""

    first: int
    last: int = 0
    num_frames: int = 0
    seconds: float = 0.0
    scores: float = 0.0


def _see(frame: Frame, seen: dict[int, _Person]) -> Iterator[_Person]:
    people = frame.instances
    if people.track_ids is None:
        return
    # As in the files: who has no box score has score 0.
    scores = [0.0] * len(people) if people.box_scores is None else people.box_scores.tolist()
    for track_id, score in zip(people.track_ids.tolist(), scores, strict=True):
        if track_id == UNTRACKED:
            continue
        person = seen.setdefault(track_id, _Person(frame.index))
        person.last = frame.index
        person.num_frames += 1
        person.scores += score
        yield person
