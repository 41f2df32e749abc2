"""Header and Record: the contents of a results file for a video, and for one of its frames."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from posetrack.addresses import name_address, show_address
from posetrack.frame import FloatArray, Instances
from posetrack.results.provenance import Provenance
from posetrack.skeleton import Skeleton

SCHEMA = "posetrack/1"
"""Name and version of the layout of `poses.jsonl`."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Header:
    """The source of the poses: the first line of a results file.

    Attributes:
        source: The video, folder, pattern or address as it was given; secrets in an address are left out.
        width: Width of the image in pixels, upright and square; where it changes, that of the first one.
        height: Height of the image, likewise.
        fps: Nominal frames a second; the time of each frame stands in its own record.
        skeleton: The keypoints of every person, in order.
        recipe: Name of the tracking recipe.
        provenance: What decides the poses; None where it is not known.
        dense: The file of their dense poses (`posetrack.results.dense_file`); None where there is none.
        schema: Name and version of the layout.
        has_blurred_faces: Whether the annotated video of the run has blurred faces.
    """

    source: str
    width: int
    height: int
    fps: Fraction
    skeleton: Skeleton
    recipe: str
    provenance: Provenance | None = None
    dense: Path | None = None
    schema: str = SCHEMA
    has_blurred_faces: bool = False

    def __post_init__(self) -> None:
        # Here too, because files of earlier versions have addresses as they were given. Names of files may be
        # no text; half a surrogate pair, as Python has it then, is no JSON for others.
        shown = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", show_address(self.source))
        object.__setattr__(self, "source", shown)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        return self.width, self.height

    @property
    def video_name(self) -> str:
        """Short name of the source, fit for a file name: `clips/juggle.mp4` is `juggle`."""
        source = name_address(self.source) if "://" in self.source else self.source
        parts = [part for part in re.split(r"[\\/]+", source) if part]
        if len(parts) > 1 and "*" in parts[-1]:
            parts.pop()
        last = parts[-1] if parts else ""
        stem = re.sub(r"(?<=.)\.\w{2,4}$", "", last)
        return re.sub(r"[^\w.\-]+", "_", stem).strip("._") or "video"


@dataclass(frozen=True, eq=False)
class Record:
    """The people of one frame: one line of a results file.

    Attributes:
        frame: Position in the source, from 0 (`Frame.index`).
        time_s: Presentation time in seconds (`Frame.time_s`).
        instances: The people.
        size_wh: Width and height of its image in pixels, where it is not that of the header.
        faces_xyxy: Where the heads of those are who were left out (`Frame.faces_xyxy`).
    """

    frame: int
    time_s: float
    instances: Instances
    size_wh: tuple[int, int] | None = None
    faces_xyxy: FloatArray | None = None

    def get_size_wh(self, header: Header) -> tuple[int, int]:
        """Width and height of its image in pixels.

        Args:
            header: Of its file.
        """
        return self.size_wh or header.size_wh
