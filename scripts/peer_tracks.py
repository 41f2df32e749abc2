"""Tracks of another library's SORT and ByteTrack for given detections; a child process of `bench_tracking.py`.

It imports nothing of PoseTrack, because that library's package has the name of ours, `trackers`. It is
installed into a folder of its own, never into PoseTrack's environment:

    python -m pip install --target FOLDER trackers supervision
    PYTHONPATH=FOLDER python scripts/peer_tracks.py detections.txt tracks.txt --tracker bytetrack --fps 25

trackers is under the Apache License 2.0, supervision under the MIT License; neither is part of PoseTrack.

Detections and tracks are lines of MOTChallenge: `frame,id,left,top,width,height,score,-1,-1,-1`, without id
(-1) in the detections. Boxes that the tracker gives no id are left out of the tracks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import supervision

from trackers import ByteTrackTracker, SORTTracker

TRACKERS = {"sort": SORTTracker, "bytetrack": ByteTrackTracker}


def main() -> None:
    """Read detections, track them frame by frame, and write the tracks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detections", type=Path)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("--tracker", choices=TRACKERS, required=True)
    parser.add_argument("--fps", type=float, required=True, help="frames a second of the video")
    parser.add_argument("--frames", type=int, help="number of frames; as many as have detections by default")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the tracker")
    arguments = parser.parse_args()
    settings = {name: float(value) for name, _, value in (text.partition("=") for text in arguments.setting)}
    tracker = TRACKERS[arguments.tracker](frame_rate=arguments.fps, **settings)
    rows = read_rows(arguments.detections)
    num_frames = arguments.frames or int(rows[:, 0].max(initial=0))
    lines = []
    for frame in range(1, num_frames + 1):
        own = rows[rows[:, 0] == frame]
        corners = np.concatenate([own[:, 2:4], own[:, 2:4] + own[:, 4:6]], axis=1)
        tracked = tracker.update(supervision.Detections(xyxy=corners, confidence=own[:, 6]))
        lines += format_frame(frame, tracked)
    arguments.tracks.write_text("".join(f"{line}\n" for line in lines))


def read_rows(path: Path) -> np.ndarray:
    """The numbers of a file, (N, 10)."""
    lines = path.read_text().splitlines()
    return np.array([line.split(",") for line in lines], np.float64).reshape(len(lines), 10)


def format_frame(frame: int, tracked: supervision.Detections) -> list[str]:
    """The lines of the boxes that have an id."""
    if len(tracked) == 0:
        return []
    scores = tracked.confidence if tracked.confidence is not None else np.ones(len(tracked))
    lines = []
    for track_id, (x1, y1, x2, y2), score in zip(tracked.tracker_id, tracked.xyxy, scores, strict=True):
        if track_id >= 0:
            box = f"{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
            lines.append(f"{frame},{int(track_id)},{box},{score:.4f},-1,-1,-1")
    return lines


if __name__ == "__main__":
    main()
