"""Which files are poses of other programs."""

from __future__ import annotations

from pathlib import Path

KINDS = (
    "a folder of OpenPose's JSON files, AlphaPose's or COCO's results (.json), a PoseTrack or COCO file of one "
    "sequence (.json), or MOTChallenge's boxes (.txt)"
)
"""What can be read, for messages and help."""

PROGRAMS = ("openpose", "alphapose", "coco", "posetrack17", "posetrack18", "mot")
"""What headers of poses that come from elsewhere have as recipe."""

OPENPOSE_SUFFIX = "_keypoints.json"
"""End of the names of OpenPose's files."""


def is_foreign(path: Path) -> bool:
    """Whether a path is of another program, by its name and by what is in a folder."""
    if path.is_dir():
        return not (path / "poses.jsonl").exists() and any(path.glob(f"*{OPENPOSE_SUFFIX}"))
    return path.suffix.lower() in (".json", ".txt")
