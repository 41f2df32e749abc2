"""Tracks that have changed bodies where people met, which their clothes tell afterwards."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from posetrack.frame import Frame
from posetrack.pipeline import FrameProcessor
from posetrack.processors.camera_path import CameraPath
from posetrack.processors.meetings import Meeting
from posetrack.processors.tracklets import Tracklet, join_tracklets
from trackers.appearance import compare_appearance
from trackers.matching import match_hungarian

FloatArray = npt.NDArray[np.float32]

_LEAST_SEEN = 1.0
"""Clothes that were described less often, of all parts of the body, are not known."""
_LATEST_S = 2.0
"""Clothes that are seen alone only so long after people met say nothing about the meeting."""
_LEAST_ALIKE = 0.6
"""Clothes before and after that are less alike are no evidence."""


@dataclass(frozen=True)
class Exchange:
    """Tracks that go on as each other's.

    Attributes:
        position: Of the first frame in which they do.
        owners: For tracks of the run the ids that they have from there on.
    """

    position: int
    owners: Mapping[int, int]


@dataclass(frozen=True, eq=False)
class _Member:
    """A track in a meeting.

    Attributes:
        track_id: Its id in the run.
        owner: The id that it had when the meeting began.
        before: The owner's clothes (P, D) until then; 0 where they are not known.
        after: Clothes in the track afterwards, likewise; None where it ended.
    """

    track_id: int
    owner: int
    before: FloatArray
    after: FloatArray | None

    @property
    def is_known(self) -> bool:
        """Whether the clothes of before are known."""
        return _is_known(self.before)

    @property
    def is_compared(self) -> bool:
        """Whether the clothes of before and after are known."""
        return self.is_known and self.after is not None and _is_known(self.after)


def find_exchanges(
    parts: Mapping[int, Sequence[Tracklet]], meetings: Sequence[Meeting], path: CameraPath, min_gain: float
) -> tuple[Exchange, ...]:
    """Find where tracks have changed bodies.

    Args:
        parts: Of each track, from one meeting to the next.
        meetings: All meetings.
        path: The camera's path.
        min_gain: How much more alike the clothes before and after must be by an exchange, on average.

    Returns:
        The exchanges, in order of time.
    """
    owners = {track_id: track_id for track_id in parts}
    clothes = {track_id: np.zeros_like(own[0].alone) for track_id, own in parts.items()}
    num_worn = dict.fromkeys(parts, 0)
    exchanges = []
    for meeting in sorted(meetings, key=lambda each: each.position):
        latest_s = path.get_time_s(meeting.position) + _LATEST_S
        members = []
        for track_id in sorted(meeting.track_ids & parts.keys()):
            own, owner = parts[track_id], owners[track_id]
            end = bisect_left(own, meeting.position, key=lambda part: part.first)
            for part in own[num_worn[track_id] : end]:
                clothes[owner] = clothes[owner] + part.alone
            num_worn[track_id] = max(num_worn[track_id], end)
            after = None if end == len(own) else np.zeros_like(own[0].alone)
            for part in own[end:]:
                if after is None or _is_known(after) or path.get_time_s(part.first) > latest_s:
                    break
                after = after + part.alone
            members.append(_Member(track_id, owner, clothes[owner], after))
        changed = _choose_owners(members, min_gain)
        if changed:
            owners |= changed
            exchanges.append(Exchange(meeting.position, changed))
    return tuple(exchanges)


def _choose_owners(members: Sequence[_Member], min_gain: float) -> dict[int, int]:
    """The new owners of tracks that changed bodies; nobody's unless clothes clearly say so."""
    candidates = [member for member in members if member.is_known]
    going_on = [member for member in candidates if member.is_compared]
    if len(candidates) < 2 or not going_on:
        return {}
    # Where no part of the body is known of both, they are not alike.
    alike = np.nan_to_num(
        compare_appearance(
            np.stack([member.before for member in candidates]),
            np.stack([member.after for member in going_on if member.after is not None]),
        ),
        nan=0.0,
    )
    straight = alike[[candidates.index(member) for member in going_on], np.arange(len(going_on))]
    rows, columns = match_hungarian(alike, 0.0)
    is_moved = np.array([candidates[i] is not going_on[j] for i, j in zip(rows, columns, strict=True)], bool)
    found, gains = alike[rows, columns][is_moved], (alike[rows, columns] - straight[columns])[is_moved]
    if not is_moved.any() or gains.mean() < min_gain or gains.min() < 0 or found.min() < _LEAST_ALIKE:
        return {}
    sources = [candidates[i] for i in rows[is_moved]]
    targets = [going_on[j] for j in columns[is_moved]]
    changed = {target.track_id: source.owner for source, target in zip(sources, targets, strict=True)}
    # Tracks whose owner goes on in another one, but which show no clothes, are those of who is left.
    left = [target.owner for target in targets if target.owner not in changed.values()]
    unseen = [source for source in sources if source.after is not None and source.track_id not in changed]
    return changed | {member.track_id: owner for member, owner in zip(unseen, left, strict=False)}


def join_parts(
    parts: Mapping[int, Sequence[Tracklet]],
    exchanges: Sequence[Exchange],
    path: CameraPath,
    max_interpolated_s: float,
) -> list[Tracklet]:
    """What is remembered of each person when tracks are exchanged.

    Args:
        parts: Of each track.
        exchanges: In order of time.
        path: The camera's path.
        max_interpolated_s: Largest time between two sightings of a gap that may be filled.
    """
    owned: dict[int, list[Tracklet]] = defaultdict(list)
    for track_id, own in parts.items():
        for part in own:
            owner = _find_owner(track_id, part.first, exchanges)
            if owner != track_id and not part.alone.any():
                # What is left of a track whose owner goes on elsewhere: boxes in the other's shadow.
                part = replace(part, head=[], tail=deque())
            owned[owner].append(part)
    return [
        replace(
            join_tracklets(sorted(own, key=lambda part: part.first), path, max_interpolated_s),
            track_id=owner,
        )
        for owner, own in owned.items()
    ]


def exchange_ids(exchanges: Sequence[Exchange]) -> FrameProcessor:
    """Make the processor that carries out exchanges in the frames of a run, all of them and in order."""

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        waiting = deque(exchanges)
        owners: dict[int, int] = {}
        for position, frame in enumerate(frames):
            while waiting and waiting[0].position <= position:
                owners |= waiting.popleft().owners
            ids = frame.instances.track_ids
            if not owners or ids is None:
                yield frame
                continue
            renamed = np.array([owners.get(track_id, track_id) for track_id in ids.tolist()], np.int64)
            yield replace(frame, instances=frame.instances.with_columns(track_ids=renamed))

    return process


def _is_known(clothes: FloatArray) -> bool:
    """Whether clothes (P, D), a sum of descriptions, were seen often enough."""
    return float(clothes.sum()) >= _LEAST_SEEN * len(clothes)


def _find_owner(track_id: int, position: int, exchanges: Sequence[Exchange]) -> int:
    """The id that a track has in a frame."""
    owner = track_id
    for exchange in exchanges:
        if exchange.position > position:
            break
        owner = exchange.owners.get(track_id, owner)
    return owner
