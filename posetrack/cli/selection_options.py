"""Options of the choice of people, which several commands share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import typer

from posetrack.cli.options import check_finite
from posetrack.errors import PoseTrackError
from posetrack.selection.people import PeopleSelection
from posetrack.selection.region import read_regions

_MOST_IDS = 100_000

RawOption = Annotated[
    bool, typer.Option("--raw", help="Leave out the edits that lie beside the poses (posetrack edit).")
]
"""An option of all commands that read saved poses."""


@dataclass(frozen=True)
class SelectionOptions:
    """Options of the choice of people by number, place, size and score."""

    PANEL: ClassVar[str] = "People"

    max_people: Annotated[
        int | None,
        typer.Option(
            "--max-people",
            min=1,
            metavar="N",
            help="Keep at most N people at a time: those who are there stay, free places go to the largest.",
            show_default="everyone",
        ),
    ] = None
    roi: Annotated[
        list[str] | None,
        typer.Option(
            "--roi",
            metavar="X1,Y1,X2,Y2|FILE",
            help="Keep people who stand in this region: the middle of their box's lower edge is in it. Pixels "
            "of the image shown upright, or percent (0,50%,100%,100%); or a file of polygons, JSON or x,y "
            "lines. May be given several times.",
            show_default="the whole image",
        ),
    ] = None
    min_height: Annotated[
        float,
        typer.Option(
            "--min-height",
            min=0,
            metavar="PX",
            callback=check_finite,
            help="Keep people of this height or more.",
        ),
    ] = 0.0
    score: Annotated[
        float,
        typer.Option("--score", min=0, max=1, callback=check_finite, help="Keep boxes of this score or more."),
    ] = 0.0

    def read(self) -> PeopleSelection:
        """The selection.

        Raises:
            PoseTrackError: A region is none.
        """
        regions = tuple(region for text in self.roi or () for region in read_regions(text))
        return PeopleSelection(self.max_people, regions, self.min_height, self.score)


@dataclass(frozen=True)
class IdOptions:
    """Options of the choice of people by their track ids."""

    PANEL: ClassVar[str] = "People"

    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="IDS", help="Keep these track ids: 3,5 or 2-8.", show_default="all"),
    ] = None
    drop: Annotated[
        list[str] | None,
        typer.Option(
            "--drop", metavar="IDS", help="Leave these track ids out: 3,5 or 2-8.", show_default=False
        ),
    ] = None

    def add_to(self, selection: PeopleSelection) -> PeopleSelection:
        """The selection with these ids.

        Raises:
            PoseTrackError: They are no ids.
        """
        only = None if self.only is None else _read_ids(self.only, "--only")
        return replace(selection, only=only, drop=_read_ids(self.drop or (), "--drop"))


def _read_ids(texts: Iterable[str], option: str) -> frozenset[int]:
    ids: set[int] = set()
    for text in texts:
        for part in text.split(","):
            match = re.fullmatch(r"\s*([0-9]{1,15})(?:-([0-9]{1,15}))?\s*", part)
            if match is None:
                raise PoseTrackError(f"{option} {text}: expected track ids, such as 3,5 or 2-8")
            first, last = int(match[1]), int(match[2] or match[1])
            if not first <= last < first + _MOST_IDS:
                raise PoseTrackError(
                    f"{option} {text}: expected a range of at most {_MOST_IDS} ids, such as 2-8"
                )
            ids.update(range(first, last + 1))
    return frozenset(ids)
