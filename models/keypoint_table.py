"""Keypoints of one's own as a table of a recipe or a file."""

from __future__ import annotations

from dataclasses import dataclass

MOST_KEYPOINTS = 1000


@dataclass(frozen=True)
class KeypointTable:
    """The table [skeleton]: keypoints that are not those of a public data set.

    Attributes:
        name: A short name.
        names: Names of the keypoints, in the order of the network's outputs.
        pairs: Left and right keypoints, which swap in a mirrored image, as pairs of names. Without it those
            whose names differ in `left_` and `right_` alone.
        limbs: Lines to draw, as pairs of names.
        sigmas: OKS sigmas, one a keypoint: the spread of annotations relative to the square root of a person's
            area. Without it those of COCO and the other public sets, for keypoints of their names.
    """

    name: str = ""
    names: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    limbs: tuple[tuple[str, str], ...] = ()
    sigmas: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.names) > MOST_KEYPOINTS:
            raise ValueError(f"names: expected at most {MOST_KEYPOINTS}, got {len(self.names)}")
        if self.names and not self.name:
            raise ValueError("name: missing; give these keypoints a short name")
        if self.name and not self.names:
            raise ValueError("names: missing; list the keypoints")

    @property
    def is_given(self) -> bool:
        """Whether there are any keypoints: a recipe without this table has an empty one."""
        return bool(self.names)


NO_TABLE = KeypointTable()
"""What a recipe without the table has."""
