"""Edits as objects of JSON, one a line of `edits.jsonl`, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from posetrack.edits.kinds import (
    DeletePerson,
    DropShort,
    Edit,
    Interpolate,
    KeyPose,
    MergeIds,
    MoveKeypoint,
    RenameId,
    SplitId,
    SwapIds,
)
from posetrack.errors import ResultsError
from posetrack.json_fields import expect_array, expect_count, expect_list, expect_number, expect_object, show
from posetrack.skeleton import Skeleton


def encode_edit(edit: Edit, skeleton: Skeleton) -> dict[str, Any]:
    """The fields of a line.

    Args:
        edit: The edit.
        skeleton: Of the poses; keypoints are written by name.
    """
    match edit:
        case MergeIds(keep, other):
            return {"edit": "merge", "keep": keep, "other": other}
        case SplitId(track_id, frame, new):
            return {"edit": "split", "id": track_id, "frame": frame, "new": new}
        case SwapIds(a, b, frame):
            return {"edit": "swap", "a": a, "b": b, "frame": frame}
        case RenameId(track_id, new):
            return {"edit": "rename", "id": track_id, "new": new}
        case DeletePerson(track_id, first, last):
            ends = {"first": first, "last": last}
            given = {name: frame for name, frame in ends.items() if frame is not None}
            return {"edit": "delete", "id": track_id, **given}
        case DropShort(seconds, track_ids):
            return {"edit": "drop-short", "seconds": seconds, "ids": list(track_ids)}
        case MoveKeypoint(frame, track_id, keypoint, xy):
            place: dict[str, Any] = {"absent": True} if xy is None else {"xy": list(xy)}
            name = skeleton.names[keypoint]
            return {"edit": "keypoint", "id": track_id, "frame": frame, "keypoint": name, **place}
        case Interpolate(track_id, gaps):
            return {
                "edit": "interpolate",
                "id": track_id,
                "gaps": [list(map(_encode_pose, gap)) for gap in gaps],
            }


def _encode_pose(pose: KeyPose) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "frame": pose.frame,
        "time": pose.time_s,
        "box": list(pose.box_xyxy),
        "score": pose.score,
        "keypoints": [list(point) for point in pose.keypoints],
    }
    if pose.smoothed_xy is not None:
        fields["smoothed"] = [list(point) for point in pose.smoothed_xy]
    return fields


def decode_edit(fields: Any, skeleton: Skeleton, where: str) -> Edit:
    """The edit of a line; the inverse of `encode_edit`.

    Args:
        fields: The object.
        skeleton: Of the poses.
        where: File and line, for messages.

    Raises:
        ResultsError: A field is not what it should be.
    """
    fields = expect_object(fields, where)
    kind = fields.get("edit")
    decode = _DECODERS.get(kind) if isinstance(kind, str) else None
    if decode is None:
        raise ResultsError(f"{where}: edit: unknown {show(kind)}; known: {', '.join(_DECODERS)}, undo, redo")
    return decode(_Fields(fields, skeleton, where))


def show_edit(edit: Edit, skeleton: Skeleton) -> str:
    """An edit as the words of the command line that make it.

    Args:
        edit: The edit.
        skeleton: Of the poses.
    """
    if isinstance(edit, MoveKeypoint):
        return edit.show(skeleton.names[edit.keypoint])
    return str(edit)


class _Fields:
    """The fields of one line, checked as they are taken."""

    def __init__(self, fields: Mapping[str, Any], skeleton: Skeleton, where: str) -> None:
        self._fields, self._skeleton, self._where = fields, skeleton, where

    def take_id(self, name: str = "id") -> int:
        return expect_count(self._fields.get(name), 0, f"{self._where}: {name}")

    def take_frame(self, name: str = "frame") -> int:
        return expect_count(self._fields.get(name), 0, f"{self._where}: {name}")

    def take_end(self, name: str) -> int | None:
        return self.take_frame(name) if name in self._fields else None

    def take_number(self, name: str) -> float:
        return float(expect_number(self._fields.get(name), f"{self._where}: {name}"))

    def take_ids(self) -> tuple[int, ...]:
        values = expect_list(self._fields.get("ids"), f"{self._where}: ids")
        return tuple(expect_count(each, 0, f"{self._where}: ids[{i}]") for i, each in enumerate(values))

    def take_keypoint(self) -> int:
        name = self._fields.get("keypoint")
        if name not in self._skeleton.names:
            raise ResultsError(
                f"{self._where}: keypoint: {show(name)} is none of {self._skeleton.name}: "
                f"{', '.join(self._skeleton.names)}"
            )
        return self._skeleton.names.index(name)

    def take_place(self) -> tuple[float, float] | None:
        if self._fields.get("absent") is True:
            return None
        x, y = expect_array(self._fields.get("xy"), (2,), f"{self._where}: xy").tolist()
        return x, y

    def take_gaps(self) -> tuple[tuple[KeyPose, KeyPose], ...]:
        where = f"{self._where}: gaps"
        gaps = []
        end = -1
        for i, gap in enumerate(expect_list(self._fields.get("gaps"), where)):
            poses = expect_list(gap, f"{where}[{i}]")
            if len(poses) != 2:
                raise ResultsError(f"{where}[{i}]: expected 2 poses, found {len(poses)}")
            before, after = (self._take_pose(pose, f"{where}[{i}][{j}]") for j, pose in enumerate(poses))
            if not end <= before.frame < after.frame:
                raise ResultsError(f"{where}[{i}]: frames {before.frame} and {after.frame}: not in order")
            end = after.frame
            gaps.append((before, after))
        if not gaps:
            raise ResultsError(f"{where}: empty; expected at least one")
        return tuple(gaps)

    def _take_pose(self, value: Any, where: str) -> KeyPose:
        pose, K = expect_object(value, where), self._skeleton.num_keypoints
        points, smoothed = pose.get("keypoints"), None
        keypoints = [] if points == [] else expect_array(points, (K, 3), f"{where}.keypoints").tolist()
        if "smoothed" in pose:
            rows = expect_array(pose["smoothed"], (K, 2), f"{where}.smoothed").tolist()
            smoothed = tuple(map(tuple, rows))
        return KeyPose(
            expect_count(pose.get("frame"), 0, f"{where}.frame"),
            float(expect_number(pose.get("time"), f"{where}.time")),
            tuple(expect_array(pose.get("box"), (4,), f"{where}.box").tolist()),
            float(expect_number(pose.get("score"), f"{where}.score")),
            tuple(map(tuple, keypoints)),
            smoothed,
        )


_DECODERS: dict[str, Callable[[_Fields], Edit]] = {
    "merge": lambda fields: MergeIds(fields.take_id("keep"), fields.take_id("other")),
    "split": lambda fields: SplitId(fields.take_id(), fields.take_frame(), fields.take_id("new")),
    "swap": lambda fields: SwapIds(fields.take_id("a"), fields.take_id("b"), fields.take_frame()),
    "rename": lambda fields: RenameId(fields.take_id(), fields.take_id("new")),
    "delete": lambda fields: DeletePerson(fields.take_id(), fields.take_end("first"), fields.take_end("last")),
    "drop-short": lambda fields: DropShort(fields.take_number("seconds"), fields.take_ids()),
    "keypoint": lambda fields: MoveKeypoint(
        fields.take_frame(), fields.take_id(), fields.take_keypoint(), fields.take_place()
    ),
    "interpolate": lambda fields: Interpolate(fields.take_id(), fields.take_gaps()),
}
"""By the word that names the kind, in the log and on the command line."""
