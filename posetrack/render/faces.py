"""FaceBlur: makes the heads of people in consecutive frames unrecognisable, beyond repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from posetrack.frame import UNTRACKED, FloatArray, Frame, ImageArray
from posetrack.render.bodies import find_boxes, limit
from posetrack.render.heads import HeadRegion, find_head, find_head_in_box
from posetrack.skeleton import Skeleton

# A region keeps so many means of colour from left to right and from top to bottom: two or three of a face.
_CELLS = 4
# Heads that are no longer found are hidden for so long, and for so many frames.
_HOLD_S = 1.0
_HOLD_FRAMES = 5
# In a second, by its own size.
_GROWTH = 1.0
_FASTEST = 3.0
# Boxes of two frames that overlap more are one person's, where ids do not say.
_SAME_IOU = 0.3


@dataclass(frozen=True, eq=False)
class _Head:
    """A head that was found, and where it may be by now.

    Attributes:
        region: Where it was found.
        box_xyxy: The person's box there, (4,).
        track_id: The person's id, or `UNTRACKED`.
        velocity_xy: Pixels per second.
        age_s: Time since it was found.
        age_frames: The same in frames.
        is_sure: Whether its own keypoints showed it.
    """

    region: HeadRegion
    box_xyxy: FloatArray
    track_id: int
    velocity_xy: tuple[float, float] = (0.0, 0.0)
    age_s: float = 0.0
    age_frames: int = 0
    is_sure: bool = True

    def predict(self) -> HeadRegion:
        """From where it was to where its velocity has taken it, and larger with time."""
        left, top, right, bottom = self.region.box_xyxy
        x, y = (velocity * self.age_s for velocity in self.velocity_xy)
        x_margin, y_margin = (_GROWTH * self.age_s * size / 2 for size in self.region.size_wh)
        box = (
            left + min(x, 0) - x_margin,
            top + min(y, 0) - y_margin,
            right + max(x, 0) + x_margin,
            bottom + max(y, 0) + y_margin,
        )
        return HeadRegion(box, self.region.is_round)


class FaceBlur:
    """Makes the heads of everybody in consecutive frames unrecognisable.

    A head is where its keypoints are. Where they are missing or doubtful, it is also where it last was in the
    person's box, above the shoulders, or in the top of the box; and where nobody is found any more, it stays
    hidden for a second. Only frames seen so far are needed, so that nobody is hidden before they are first
    found.

    Args:
        skeleton: What the keypoints are.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._heads: list[_Head] = []
        self._time_s: float | None = None
        self._size_wh: tuple[int, int] | None = None

    def __call__(self, frame: Frame) -> ImageArray:
        """Hide the heads of the next frame.

        Args:
            frame: The frame, with all people who are found.

        Returns:
            (H, W, 3) uint8 RGB, a new image.
        """
        image = frame.image.copy()
        for region in self.follow(frame):
            pixelate(image, region)
        return image

    def follow(self, frame: Frame) -> list[HeadRegion]:
        """Find where heads are, or may be, in the next frame: of its people, and of those who were left out."""
        self._grow_older(frame)
        found = self._find(frame)
        regions = [region for head, others in found for region in (head.region, *others)]
        now = [head for head, _ in found]
        held = [
            head
            for head in self._heads
            if not _is_covered(head, regions) and not any(_has_moved_on(head, other) for other in now)
        ]
        regions += [head.predict() for head in held]
        self._heads = now + held
        return regions + _list_faces(frame)

    def take_up(self, frame: Frame) -> None:
        """Follow a frame of which only the faces of those who were left out are known: they are held, too."""
        self._grow_older(frame)
        self._heads = [
            _Head(face, np.array(face.box_xyxy, np.float32), UNTRACKED) for face in _list_faces(frame)
        ]

    def _grow_older(self, frame: Frame) -> None:
        if self._size_wh not in (None, frame.size_wh):
            self._heads = []
        self._size_wh = frame.size_wh
        # Time that goes back, as a camera's clock may do, is none.
        step_s = 0.0 if self._time_s is None else min(max(frame.time_s - self._time_s, 0.0), _HOLD_S)
        self._time_s = frame.time_s
        older = [
            replace(head, age_s=head.age_s + step_s, age_frames=head.age_frames + 1) for head in self._heads
        ]
        self._heads = [head for head in older if head.age_s <= _HOLD_S or head.age_frames <= _HOLD_FRAMES]

    def _find(self, frame: Frame) -> list[tuple[_Head, list[HeadRegion]]]:
        """The head of everyone, and further regions where it may be."""
        people = frame.instances
        boxes, K = find_boxes(people), self._skeleton.num_keypoints
        points, scores = people.drawn_xy, people.keypoint_scores
        if points is None or points.shape[1] != K:
            points, scores = np.zeros((len(people), K, 2), np.float32), np.zeros((len(people), K), np.float32)
        if scores is None:
            scores = np.ones(points.shape[:2], np.float32)
        points = limit(points)
        ids = [UNTRACKED] * len(people) if people.track_ids is None else people.track_ids.tolist()
        return [
            self._find_one(point, score, box, track_id)
            for point, score, box, track_id in zip(points, scores, boxes, ids, strict=True)
        ]

    def _find_one(
        self, points_xy: FloatArray, scores: FloatArray, box_xyxy: FloatArray, track_id: int
    ) -> tuple[_Head, list[HeadRegion]]:
        regions, is_sure = find_head(points_xy, scores, box_xyxy, self._skeleton)
        before = self._find_before(track_id, box_xyxy)
        if not is_sure:
            # Where it was in the box is a good guess for a moment, which should not stand alone for long.
            if before is None or (not regions and not before.is_sure):
                regions.append(find_head_in_box(box_xyxy))
            if before is not None:
                regions.insert(0, _move_with_box(before, box_xyxy))
        head = _Head(regions[0], box_xyxy, track_id, is_sure=is_sure)
        if before is not None:
            head = replace(head, velocity_xy=_find_velocity(before, head))
        return head, regions[1:]

    def _find_before(self, track_id: int, box_xyxy: FloatArray) -> _Head | None:
        """The newest head of the same person, by the id, or else by the box."""
        same = [head for head in self._heads if head.track_id == track_id != UNTRACKED]
        if same:
            return same[0]
        overlaps = [_compute_iou(head.box_xyxy, box_xyxy) for head in self._heads]
        best = int(np.argmax(overlaps)) if overlaps else 0
        return self._heads[best] if overlaps and overlaps[best] > _SAME_IOU else None


def pixelate(image: ImageArray, region: HeadRegion) -> None:
    """Leave only a few means of colour of a region, and blur the borders between them.

    Args:
        image: (H, W, 3) uint8, which is changed.
        region: The region; what reaches out of the image is cut off.
    """
    height, width = image.shape[:2]
    left, top = (max(int(np.floor(value)), 0) for value in region.box_xyxy[:2])
    right, bottom = min(int(np.ceil(region.box_xyxy[2])), width), min(int(np.ceil(region.box_xyxy[3])), height)
    if left >= right or top >= bottom:
        return
    part = image[top:bottom, left:right]
    cells_wh = [
        max(1, min(round(_CELLS * inside / max(whole, 1)), inside, _CELLS))
        for inside, whole in zip((right - left, bottom - top), region.size_wh, strict=True)
    ]
    means = cv2.resize(part, cells_wh, interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(means, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    if not region.is_round:
        part[:] = blurred
        return
    mask = np.zeros(part.shape[:2], np.uint8)
    x, y = region.center_xy
    axes = tuple(int(np.ceil(size / 2)) for size in region.size_wh)
    cv2.ellipse(mask, (round(x - 0.5) - left, round(y - 0.5) - top), axes, 0, 0, 360, 255, -1)
    cv2.copyTo(blurred, mask, part)


def _list_faces(frame: Frame) -> list[HeadRegion]:
    """The heads of those who were left out of a frame."""
    faces = () if frame.faces_xyxy is None else limit(frame.faces_xyxy).tolist()
    return [HeadRegion(tuple(face), is_round=False) for face in faces]


def _move_with_box(head: _Head, box_xyxy: FloatArray) -> HeadRegion:
    """Where a head is in a box, if it lies in it as it lay in the person's box before."""
    before, now = head.box_xyxy.astype(np.float64), box_xyxy.astype(np.float64)
    size, new_size = np.maximum(before[2:] - before[:2], 1), np.maximum(now[2:] - now[:2], 1)
    # A box that lost its legs is lower, but the head is as large as it was.
    scale = float(np.clip(np.sqrt(np.prod(new_size) / np.prod(size)), 0.8, 1.25))
    center = now[:2] + (np.array(head.region.center_xy) - before[:2]) / size * new_size
    half = np.array(head.region.size_wh) / 2 * scale
    left, top = center - half
    right, bottom = center + half
    return HeadRegion((float(left), float(top), float(right), float(bottom)), head.region.is_round)


def _find_velocity(before: _Head, now: _Head) -> tuple[float, float]:
    """Pixels a second, mean of that before and that since then; never many sizes of a head."""
    if before.age_s <= 0:
        return before.velocity_xy
    moved = np.subtract(now.region.center_xy, before.region.center_xy) / before.age_s
    fastest = _FASTEST * max(now.region.size_wh)
    x, y = np.clip((moved + np.array(before.velocity_xy)) / 2, -fastest, fastest).tolist()
    return x, y


def _is_covered(head: _Head, regions: Sequence[HeadRegion]) -> bool:
    """Whether the middle of a head that was not found again is well inside another region."""
    x, y = head.predict().center_xy
    return any(
        abs(x - region.center_xy[0]) < region.size_wh[0] / 4
        and abs(y - region.center_xy[1]) < region.size_wh[1] / 4
        for region in regions
    )


def _has_moved_on(before: _Head, now: _Head) -> bool:
    """Whether a head is surely another one in an earlier frame, as far away as it can be by now."""
    if before.track_id == UNTRACKED or before.track_id != now.track_id or not now.is_sure:
        return False
    distance = float(np.linalg.norm(np.subtract(now.region.center_xy, before.region.center_xy)))
    return distance < (1 + _FASTEST * before.age_s) * max(now.region.size_wh)


def _compute_iou(a_xyxy: FloatArray, b_xyxy: FloatArray) -> float:
    low, high = np.maximum(a_xyxy[:2], b_xyxy[:2]), np.minimum(a_xyxy[2:], b_xyxy[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    areas = sum(float(np.prod(box[2:] - box[:2])) for box in (a_xyxy, b_xyxy))
    return common / max(areas - common, 1e-6)
