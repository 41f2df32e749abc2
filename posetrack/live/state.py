"""The state of a session that viewers are sent beside the image, as JSON values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.frame import UNTRACKED, Instances
from posetrack.live.controls import TOGGLES, LiveControls, LiveSettings
from posetrack.live.session import LiveFrame
from posetrack.render import Color, color_of
from posetrack.video.live import LiveStatus


@dataclass(frozen=True)
class StateReader:
    """Reads the state of a session.

    Attributes:
        controls: The settings.
        source: Name of the source.
        read_status: Returns the status of the source, also while no images arrive; None: the last image's is
            used.
        read_recording: Returns the path of the recording.
    """

    controls: LiveControls
    source: str
    read_status: Callable[[], LiveStatus] | None = None
    read_recording: Callable[[], Path] | None = None

    def make_state(self, shown: LiveFrame | None, *, is_fresh: bool, is_over: bool) -> dict[str, Any]:
        """Describe the session.

        Args:
            shown: The last finished frame.
            is_fresh: Whether that is recent enough for its rate and latency to be valid.
            is_over: Whether the session has ended.

        Returns:
            Values for `json.dumps`; None where unknown.
        """
        settings = self.controls.settings
        measured = shown.stats if shown is not None and is_fresh and shown.stats.fps > 0 else None
        recording = self.read_recording() if self.read_recording and settings.is_recording else None
        return {
            "source": self.source,
            **_describe_frame(shown),
            "fps": None if measured is None else _round(measured.fps, 1),
            "latency_p50_ms": None if measured is None else _round(measured.latency_p50_ms, 0),
            "latency_p95_ms": None if measured is None else _round(measured.latency_p95_ms, 0),
            **_describe_status(self._find_status(shown)),
            "toggles": _describe_toggles(settings),
            "recipe": settings.recipe,
            "recipes": list(self.controls.recipes),
            "advice": "" if shown is None or not is_fresh else shown.advice,
            "recording": None if recording is None else recording.name,
            "is_over": is_over,
        }

    def _find_status(self, shown: LiveFrame | None) -> LiveStatus:
        if self.read_status is not None:
            return self.read_status()
        return LiveStatus() if shown is None else shown.status


def _describe_frame(shown: LiveFrame | None) -> dict[str, Any]:
    if shown is None:
        return {
            "index": None,
            "time_s": None,
            "size_wh": None,
            "num_people": 0,
            "people": [],
            "has_dense": False,
            "has_masks": False,
        }
    frame = shown.frame
    return {
        "index": frame.index,
        "time_s": _round(frame.time_s, 3),
        "size_wh": list(frame.size_wh),
        "num_people": len(frame.instances),
        "people": _describe_people(frame.instances, shown.colors),
        "has_dense": shown.gives_dense or frame.instances.dense is not None,
        "has_masks": shown.gives_masks or frame.instances.masks is not None,
    }


def _describe_people(people: Instances, colors: Mapping[int, Color]) -> list[dict[str, Any]]:
    ids = [UNTRACKED] * len(people) if people.track_ids is None else people.track_ids.tolist()
    boxes = [None] * len(people) if people.boxes_xyxy is None else np.nan_to_num(people.boxes_xyxy).tolist()
    return [
        {
            "track_id": None if track_id == UNTRACKED else track_id,
            "color": "#{:02x}{:02x}{:02x}".format(*colors.get(track_id, color_of(track_id))),
            "score": _round(score, 3),
            "box_xyxy": box and [_round(value, 1) for value in box],
        }
        for track_id, score, box in zip(ids, people.person_scores.tolist(), boxes, strict=True)
    ]


def _describe_status(status: LiveStatus) -> dict[str, Any]:
    return {
        "status": status.state,
        "message": status.message,
        "num_captured": status.num_captured,
        "num_dropped": status.num_dropped,
        "num_reconnects": status.num_reconnects,
    }


def _describe_toggles(settings: LiveSettings) -> dict[str, bool]:
    own = {"pause": settings.is_paused, "record": settings.is_recording}
    return {name: own[name] if name in own else bool(getattr(settings.style, name)) for name in TOGGLES}


def _round(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
