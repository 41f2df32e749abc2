"""PeopleSelection: which people are wanted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from posetrack.errors import PoseTrackError
from posetrack.selection.region import ImageRegion


@dataclass(frozen=True)
class PeopleSelection:
    """Which people of a video are wanted; by default, all.

    >>> from posetrack import PeopleSelection, ImageRegion
    >>> players = PeopleSelection(max_people=2, regions=(ImageRegion.read("0,50%,100%,100%"),))
    >>> print(players)
    --max-people 2 --roi 0,50% 100%,50% 100%,100% 0,100%

    Attributes:
        max_people: At most so many people at any time. Those who are there stay, also while they are hidden
            for a moment; a free place goes to the largest and highest-scoring one (box area times score).
        regions: People who stand in one of these; the middle of the lower edge of their box is tested. None:
            everywhere.
        min_height_px: Least height of a person's box, in pixels of the first image's size.
        min_score: Least score of a person's box.
        only: Track ids that are wanted; None: all. Ids are known when a run has ended.
        drop: Track ids that are not.

    Raises:
        PoseTrackError: A value is out of range.
    """

    max_people: int | None = None
    regions: tuple[ImageRegion, ...] = ()
    min_height_px: float = 0.0
    min_score: float = 0.0
    only: frozenset[int] | None = None
    drop: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", tuple(self.regions))
        object.__setattr__(self, "drop", frozenset(self.drop))
        if self.only is not None:
            object.__setattr__(self, "only", frozenset(self.only))
        if self.max_people is not None and self.max_people < 1:
            raise PoseTrackError(f"max_people: {self.max_people}; expected a number from 1")
        if not (math.isfinite(self.min_height_px) and self.min_height_px >= 0):
            raise PoseTrackError(f"min_height_px: {self.min_height_px}; expected pixels, from 0")
        if not 0 <= self.min_score <= 1:
            raise PoseTrackError(f"min_score: {self.min_score}; expected a score from 0 to 1")

    @property
    def chooses_found(self) -> bool:
        """Whether it leaves people out by what a detector says: place, size, score."""
        return bool(self.regions) or self.min_height_px > 0 or self.min_score > 0

    @property
    def chooses_ids(self) -> bool:
        """Whether it leaves people out by their track ids."""
        return self.only is not None or bool(self.drop)

    @property
    def is_everyone(self) -> bool:
        """Whether nobody is left out."""
        return self == PeopleSelection()

    def check_size(self, size_wh: tuple[int, int], source: str) -> None:
        """Check the regions against the image.

        Args:
            size_wh: Width and height of the first image, upright.
            source: What messages call the video.

        Raises:
            PoseTrackError: A region lies outside.
        """
        try:
            for region in self.regions:
                region.check_size(size_wh)
        except PoseTrackError as error:
            raise PoseTrackError(f"{source}: {error}") from error

    def check_ids(self, there: Iterable[int], source: str) -> None:
        """Check the ids against those of saved poses.

        Args:
            there: The ids of the poses.
            source: What messages call the poses.

        Raises:
            PoseTrackError: An id is not there.
        """
        known = sorted(there)
        for option, ids in (("--only", self.only or ()), ("--drop", self.drop)):
            missing = sorted(set(ids) - set(known))
            if missing:
                raise PoseTrackError(
                    f"{source}: {option}: no id {_list(missing)}; ids there: {_list(known) or 'none'}"
                )

    def refuse_ids(self) -> None:
        """Refuse `only` and `drop`, where ids are not known yet.

        Raises:
            PoseTrackError: They are given.
        """
        if self.chooses_ids:
            raise PoseTrackError(
                "only, drop: ids are known when a run has ended; choose by them in its poses: "
                "read_poses(...).select(...), or posetrack draw, convert and crops"
            )

    def __str__(self) -> str:
        """The options of the command line that say the same; empty for everyone."""
        parts = [
            f"--max-people {self.max_people}" if self.max_people is not None else "",
            *(f"--roi {region}" for region in self.regions),
            f"--min-height {self.min_height_px:g}" if self.min_height_px else "",
            f"--score {self.min_score:g}" if self.min_score else "",
            f"--only {','.join(map(str, sorted(self.only)))}" if self.only is not None else "",
            f"--drop {','.join(map(str, sorted(self.drop)))}" if self.drop else "",
        ]
        return " ".join(filter(None, parts))


EVERYONE = PeopleSelection()
"""Leaves nobody out."""


def _list(ids: list[int]) -> str:
    """Ids, of many the first ones and the last."""
    return ", ".join(map(str, ids)) if len(ids) <= 12 else f"{', '.join(map(str, ids[:10]))}, ..., {ids[-1]}"
