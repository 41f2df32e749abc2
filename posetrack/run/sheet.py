"""ContactSheet: one image with a row a person, who is seen from the first to the last frame."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from posetrack.frame import FloatArray, Frame, ImageArray, Instances
from posetrack.render import Color, PersonColors, Renderer, RenderStyle
from posetrack.run.survey import Presence
from posetrack.skeleton import Skeleton

_log = logging.getLogger(__name__)

MOST_ROWS = 60
"""People on a sheet; of more, those who are there longest."""
NUM_COLUMNS = 8
"""Images of a person."""

_CELL_WH = (120, 160)
_TEXT_PX = 18
_GAP_PX = 4
_LABEL_PX = 130
# Around the box, as a part of it.
_MARGIN = 0.15
_INK: Color = (30, 30, 30)


@dataclass
class _Row:
    """The images of one person.

    Attributes:
        person: Who, and when.
        wanted: Which of the person's frames are shown, counted from 0.
        num_seen: Frames of the person so far.
        cells: The images with their times, in order.
    """

    person: Presence
    wanted: frozenset[int]
    num_seen: int = 0
    cells: list[tuple[float, ImageArray]] = field(default_factory=list)


class ContactSheet:
    """Collects small images of people as a sink, and puts them on a sheet; memory does not grow with the video.

    Args:
        people: Who is in the frames that will come, and in how many; those with more frames than are there are
            shown less often.
        gap_s: The usual time between two frames.
        skeleton: The limbs to draw.
        style: What is drawn of the people: their skeletons and the background.
        colors: As for `Renderer`.
    """

    def __init__(
        self,
        people: Iterable[Presence],
        gap_s: float,
        skeleton: Skeleton,
        style: RenderStyle,
        colors: PersonColors | None = None,
    ) -> None:
        everyone = sorted(people, key=lambda person: -person.num_frames)
        kept = sorted(everyone[:MOST_ROWS], key=lambda person: (person.first_s, person.track_id))
        self._rows = {person.track_id: _Row(person, _spread(person.num_frames)) for person in kept}
        self._gap_s = gap_s
        background = "white" if style.background == "transparent" else style.background
        self._render = Renderer(
            skeleton,
            RenderStyle(
                skeletons=style.skeletons,
                boxes=False,
                ids=False,
                min_keypoint_score=style.min_keypoint_score,
                background=background,
            ),
            colors,
        )
        if len(everyone) > len(kept):
            _log.warning("the sheet shows the %d people who are there longest, of %d", MOST_ROWS, len(everyone))

    def __call__(self, frame: Frame) -> None:
        """See the next frame."""
        self._render.follow(frame)
        people = frame.instances
        if people.track_ids is None or people.boxes_xyxy is None:
            return
        for i, track_id in enumerate(people.track_ids.tolist()):
            row = self._rows.get(track_id)
            if row is None:
                continue
            if row.num_seen in row.wanted:
                row.cells.append((frame.time_s, self._render(_cut(frame, people[[i]], people.boxes_xyxy[i]))))
            row.num_seen += 1

    def compose(self) -> ImageArray:
        """Put the rows below one another.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        width, height = _CELL_WH[0] + _GAP_PX, _CELL_WH[1] + _TEXT_PX + _GAP_PX
        rows = list(self._rows.values())
        columns = max((len(row.cells) for row in rows), default=0)
        sheet = np.full((height * len(rows) + _GAP_PX, _LABEL_PX + width * columns, 3), 255, np.uint8)
        for i, row in enumerate(rows):
            top = _GAP_PX + height * i
            self._label(sheet, row.person, top)
            for j, (time_s, cell) in enumerate(row.cells):
                left = _LABEL_PX + width * j
                sheet[top : top + _CELL_WH[1], left : left + _CELL_WH[0]] = cell
                _write(sheet, f"{time_s:.1f} s", (left, top + _CELL_WH[1] + _TEXT_PX - 5), 0.4)
        return sheet

    def _label(self, sheet: ImageArray, person: Presence, top: int) -> None:
        corner = (_GAP_PX, top)
        cv2.rectangle(
            sheet, corner, (_GAP_PX + 6, top + _CELL_WH[1] - 1), self._render.find_color(person.track_id), -1
        )
        left = _GAP_PX + 14
        _write(sheet, str(person.track_id), (left, top + 32), 0.9, 2)
        seconds = person.num_frames * self._gap_s
        _write(sheet, f"{seconds:.1f} s", (left, top + 60), 0.5)
        _write(sheet, f"{person.first_s:.1f}-{person.last_s:.1f} s", (left, top + 82), 0.4)


def _spread(num_frames: int) -> frozenset[int]:
    """Frames from the first to the last one, in equal steps."""
    return frozenset(np.linspace(0, num_frames - 1, min(NUM_COLUMNS, num_frames)).round().astype(int).tolist())


def _cut(frame: Frame, person: Instances, box_xyxy: FloatArray) -> Frame:
    """The part of a frame around one person, at the size of a cell."""
    center = (box_xyxy[:2] + box_xyxy[2:]) / 2
    size = np.maximum(box_xyxy[2:] - box_xyxy[:2], 1) * (1 + 2 * _MARGIN)
    scale = float((np.array(_CELL_WH) / size).min())
    shift = np.array(_CELL_WH) / 2 - center * scale
    # OpenCV's points are at the middle of pixels.
    matrix = np.column_stack([np.eye(2) * scale, shift + (scale - 1) / 2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.warpAffine(frame.image, matrix, _CELL_WH, flags=how, borderValue=(128, 128, 128))
    moved = {
        name: (value * scale + shift).astype(np.float32)
        for name in ("keypoints_xy", "smoothed_xy")
        if (value := getattr(person, name)) is not None
    }
    box = (box_xyxy * scale + np.tile(shift, 2))[None]
    cut = person.with_columns(**moved, boxes_xyxy=box, masks=None, dense=None)
    return replace(frame, image=np.asarray(image, np.uint8), instances=cut, background_motion=None)


def _write(image: ImageArray, text: str, place: tuple[int, int], scale: float, width: int = 1) -> None:
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, width, cv2.LINE_AA)
