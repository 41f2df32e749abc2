"""PoseTrack finds, follows and measures people in video.

for frame in posetrack.track("video.mp4"):
    print(frame.time_s, frame.instances.track_ids, frame.instances.keypoints_xy)
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posetrack.api import track
    from posetrack.frame import Frame, Instances

__all__ = ["Frame", "Instances", "__version__", "track"]

__version__ = version("posetrack")

_HOMES = {"track": "posetrack.api", "Frame": "posetrack.frame", "Instances": "posetrack.frame"}


def __getattr__(name: str) -> Any:
    # Torch takes seconds to import: only whoever tracks people waits for it.
    if name not in _HOMES:
        raise AttributeError(f"module 'posetrack' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
