"""ReviewSession: poses that are looked at and corrected, as values that a page takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.image_size import MAX_PIXELS
from posetrack.edits.codec import show_edit
from posetrack.edits.editor import PosesEditor
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.frame import UNTRACKED, Instances
from posetrack.render.colors import SIDE_COLORS, color_of
from posetrack.results.people import complete_boxes
from posetrack.results.poses import SavedPoses
from posetrack.results.record import Record
from posetrack.review.commands import make_edit
from posetrack.review.export import EXPORTS
from posetrack.review.video import ReviewVideo, find_review_video

NUM_COLORS = 64
"""Ids have this many colours, again and again."""

_MOST_FRAMES = 1024
_MOST_LISTED = 200


class ReviewSession:
    """Saved poses with their edits and their video; not for several threads at once.

    Args:
        editor: The poses.
        video: Their video; None where there is none.
        notes: Lines that the page shows.

    Attributes:
        editor: As given.
        video: As given.
    """

    def __init__(self, editor: PosesEditor, video: ReviewVideo | None, notes: Sequence[str] = ()) -> None:
        self.editor = editor
        self.video = video
        self._notes = tuple(notes)
        self._revision = 0
        self._seen = editor.log.edits

    @property
    def revision(self) -> int:
        """A number that grows with every change of the edits, also by other programs."""
        if self.editor.log.edits != self._seen:
            self._seen = self.editor.log.edits
            self._revision += 1
        return self._revision

    def describe(self) -> dict[str, Any]:
        """What does not change: source, skeleton, colours, and whether there is a video."""
        index, header = self.editor.index, self.editor.index.header
        skeleton = header.skeleton
        return {
            "poses": str(self.editor.path),
            "source": header.source,
            "size": header.size_wh,
            "fps": float(header.fps),
            "length": len(index),
            "skeleton": {
                "names": skeleton.names,
                "edges": skeleton.edge_index,
                "sides": [skeleton.side_of(name) for name in skeleton.names],
            },
            "colors": [_to_css(color_of(number)) for number in range(1, NUM_COLORS + 1)],
            "side_colors": {side: _to_css(color) for side, color in SIDE_COLORS.items()},
            "has_video": self.video is not None,
            "is_playable": self.video is not None and self.video.file is not None,
            "notes": self._notes,
            "exports": EXPORTS,
        }

    def pack_rows(self) -> bytes:
        """Times and numbers of all frames: T float64, then T int32, little-endian."""
        index = self.editor.index
        return index.times_s.astype("<f8").tobytes() + index.frames.astype("<i4").tobytes()

    def make_timeline(self) -> dict[str, Any]:
        """Who is seen when, and the edits, after those of other programs too.

        Raises:
            ResultsError: The edits cannot be read any more.
        """
        self.editor.refresh()
        tracks, log = self.editor.tracks, self.editor.log
        skeleton = self.editor.index.header.skeleton
        suspects: dict[int, list[list[float | None]]] = {}
        for each in tracks.suspects:
            position = self.editor.index.find(each.frame)
            if position is not None:
                oks = None if math.isnan(each.oks) else round(each.oks, 2)
                row = [position, each.other, oks, round(each.speed_hps, 1)]
                suspects.setdefault(each.track_id, []).append(row)
        lasts_s = tracks.measure_s()
        lanes: list[dict[str, Any]] = [
            {
                "id": track_id,
                "seconds": round(lasts_s[track_id], 2),
                "runs": runs.ravel().tolist(),
                "low": tracks.low[track_id].ravel().tolist() if track_id in tracks.low else [],
                "suspects": suspects.get(track_id, []),
            }
            for track_id, runs in tracks.runs.items()
        ]
        lanes.sort(key=lambda lane: (lane["runs"][0], lane["id"]))
        return {
            "revision": self.revision,
            "lanes": lanes,
            "num_edits": len(log.edits),
            "edits": [show_edit(edit, skeleton) for edit in log.edits[-_MOST_LISTED:]],
            "undone": [show_edit(edit, skeleton) for edit in log.undone[-_MOST_LISTED:]],
        }

    def read_people(self, start: int, stop: int) -> dict[str, Any]:
        """The people of some frames.

        Args:
            start: Position of the first frame.
            stop: Position behind the last one; at most 1,024 are given.

        Raises:
            ResultsError: The file cannot be read any more.
        """
        start = max(start, 0)
        records = self.editor.read(start, min(stop, start + _MOST_FRAMES))
        return {
            "revision": self.revision,
            "start": start,
            "frames": [_encode_record(record) for record in records],
        }

    def edit(self, command: object) -> dict[str, Any]:
        """Make an edit; it is on the disk when this returns.

        Args:
            command: An object with its kind and what belongs to it; see `posetrack.review.commands`.

        Returns:
            What was done.

        Raises:
            ResultsError: It cannot be made.
        """
        try:
            done = make_edit(self.editor, command)
        except ResultsError as error:
            raise ResultsError(str(error).removeprefix(f"{self.editor.path}: ")) from error
        return {"revision": self.revision, "done": done}

    def read_image(self, position: int) -> bytes:
        """The image of a frame as JPEG.

        Raises:
            PoseTrackError: There is none.
        """
        if self.video is None or not 0 <= position < len(self.editor.index):
            raise PoseTrackError(f"there is no image {position}")
        return self.video.film.read(position)

    def close(self) -> None:
        """Close the video; the edits are on the disk already."""
        if self.video is not None:
            self.video.film.close()


def _encode_record(record: Record) -> dict[str, Any]:
    fields: dict[str, Any] = {"people": _encode_people(record.instances)}
    if record.size_wh is not None:
        fields["size"] = record.size_wh
    return fields


def _encode_people(people: Instances) -> list[dict[str, Any]]:
    if not len(people):
        return []
    count = len(people)
    ids = [UNTRACKED] * count if people.track_ids is None else people.track_ids.tolist()
    boxes = np.round(complete_boxes(people).astype(np.float64), 1).tolist()
    made = np.zeros(count, bool) if people.is_interpolated is None else people.is_interpolated
    points: list[list[float]] = [[] for _ in range(count)]
    xy = people.keypoints_xy if people.smoothed_xy is None else people.smoothed_xy
    if xy is not None:
        triples = np.ones((*xy.shape[:2], 3))
        triples[..., :2] = np.round(xy.astype(np.float64), 2)
        if people.keypoint_scores is not None:
            triples[..., 2] = np.round(people.keypoint_scores.astype(np.float64), 2)
        points = triples.reshape(count, -1).tolist()
    return [
        {"id": track_id, "box": box, "points": flat, **({"made": True} if is_made else {})}
        for track_id, box, flat, is_made in zip(ids, boxes, points, made.tolist(), strict=True)
    ]


def _to_css(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def open_review(
    path: Path,
    video: str | None = None,
    max_pixels: int = MAX_PIXELS,
    *,
    progress: Callable[[float], None] | None = None,
    num_workers: int = 1,
) -> ReviewSession:
    """Open poses for a review.

    Args:
        path: A `poses.jsonl`.
        video: Its video; None for the source that it names, if that is there.
        max_pixels: The most pixels that an image may have.
        progress: Called while a long file is read, with the fraction that is done.
        num_workers: Number of processes that read a long file; see `open_index`.

    Raises:
        ResultsError: The poses or their edits cannot be read, or there are no frames.
        VideoError: The given video cannot be read, or its images have another shape.
    """
    poses = SavedPoses(path, raw=True)
    editor = PosesEditor(path, progress=progress, num_workers=num_workers)
    if not len(editor.index):
        raise ResultsError(f"{path}: has no frames to review")
    found = find_review_video(poses, editor.index, video, max_pixels)
    if isinstance(found, str):
        return ReviewSession(editor, None, (found,))
    return ReviewSession(editor, found, found.notes)
