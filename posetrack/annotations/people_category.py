"""The category of people in PoseTrack18 and COCO files, by the same rule as in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.data.coco_people import simplify_names
from posetrack.body_parts import COCO_NAMES, POSETRACK_NAMES
from posetrack.errors import ResultsError
from posetrack.json_fields import expect_id, expect_list, expect_object, make_error


@dataclass(frozen=True)
class PeopleCategory:
    """The category of people of a file.

    Attributes:
        where: Its name in messages.
        keypoint_names: Names of its keypoints, as the file writes them.
        number: Its `id`; None if it has none.
        is_only: Whether the file has no other category.
        entry: All that the file says of it.
    """

    where: str
    keypoint_names: tuple[str, ...]
    number: int | None
    is_only: bool
    entry: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_posetrack(self) -> bool:
        """Whether its keypoints are PoseTrack's: with the head top, and without COCO's eyes."""
        has_coco = len(self.find_columns(COCO_NAMES)) == len(COCO_NAMES)
        return "head_top" in self.find_columns(POSETRACK_NAMES) and not has_coco

    def find_columns(self, wanted: Sequence[str]) -> dict[str, int]:
        """Find the positions of those of the wanted keypoints that the category has, in whatever order.

        Raises:
            ResultsError: One stands twice.
        """
        names = simplify_names(self.keypoint_names, wanted)
        for name in wanted:
            if names.count(name) > 1:
                raise ResultsError(f"{self.where}.keypoints: '{name}' stands twice; name every keypoint once")
        return {name: names.index(name) for name in wanted if name in names}

    def has(self, annotation: dict[str, Any], where: str) -> bool:
        """Whether an annotation is of this category; in a file of one category it need not say so.

        Raises:
            ResultsError: Its `category_id` is not a whole number.
        """
        if self.is_only and (self.number is None or annotation.get("category_id") is None):
            return True
        return expect_id(annotation.get("category_id"), f"{where}.category_id") == self.number


def find_people_category(data: dict[str, Any], where: str) -> PeopleCategory:
    """Find the only category with keypoints; of several the one named `person`.

    Raises:
        ResultsError: There is none, there are several, or a field is not valid.
    """
    at = f"{where}: categories"
    entries = expect_list(data.get("categories"), at)
    entries = [expect_object(entry, f"{at}[{i}]") for i, entry in enumerate(entries)]
    posed = [i for i, entry in enumerate(entries) if entry.get("keypoints")]
    found = posed if len(posed) == 1 else [i for i in posed if entries[i].get("name") == "person"]
    if len(found) != 1:
        raise ResultsError(
            f"{at}: expected one with `keypoints`, or one of them named 'person'; found {len(posed)} with "
            f"keypoints, {len(found)} of that name"
        )
    entry, at = entries[found[0]], f"{at}[{found[0]}]"
    names = expect_list(entry["keypoints"], f"{at}.keypoints")
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise make_error(f"{at}.keypoints[{i}]", "text", name)
    is_only, number = len(entries) == 1, entry.get("id")
    if number is not None or not is_only:
        number = expect_id(number, f"{at}.id")
    return PeopleCategory(at, tuple(names), number, is_only, entry)
