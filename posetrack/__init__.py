"""PoseTrack finds, follows and measures people in video.

>>> import posetrack
>>> for frame in posetrack.track("docs/media/street.mp4", recipe="fast", start_s=3.2, end_s=3.25):
...     print(frame.time_s, frame.instances.track_ids, frame.instances.keypoints_xy.shape)
3.2 [1] (1, 17, 2)
3.24 [1] (1, 17, 2)

`Tracker` loads the networks once for many videos, and writes what `posetrack run` writes; `read_poses` reads it
back, as frames or as a table of pandas. docs/python.ipynb shows it all. Importing this package imports nothing
else: each name brings along what it needs when it is first used, and torch comes with the first tracker.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posetrack.drawing import draw
    from posetrack.errors import PoseTrackError
    from posetrack.foreign.base import ForeignOptions
    from posetrack.foreign.save import import_poses
    from posetrack.frame import Frame, Instances
    from posetrack.measuring.floor import MeasuredFloor
    from posetrack.measuring.measure import measure
    from posetrack.measuring.settings import MeasureSettings
    from posetrack.measuring.write import write_measures
    from posetrack.results.dense_poses import SavedDense, read_dense
    from posetrack.results.poses import SavedPoses, read_poses
    from posetrack.run.crops import crop_people
    from posetrack.run.draw import draw_poses
    from posetrack.run.report import RunReport
    from posetrack.run.tracker import Tracker, track
    from posetrack.selection.people import PeopleSelection
    from posetrack.selection.region import ImageRegion, read_regions
    from posetrack.skeleton import Skeleton

    __version__: str

__all__ = [
    "ForeignOptions",
    "Frame",
    "ImageRegion",
    "Instances",
    "MeasureSettings",
    "MeasuredFloor",
    "PeopleSelection",
    "PoseTrackError",
    "RunReport",
    "SavedDense",
    "SavedPoses",
    "Skeleton",
    "Tracker",
    "__version__",
    "crop_people",
    "draw",
    "draw_poses",
    "import_poses",
    "measure",
    "read_dense",
    "read_poses",
    "read_regions",
    "track",
    "write_measures",
]

_HOMES = {
    "posetrack.drawing": ("draw",),
    "posetrack.errors": ("PoseTrackError",),
    "posetrack.foreign.base": ("ForeignOptions",),
    "posetrack.foreign.save": ("import_poses",),
    "posetrack.frame": ("Frame", "Instances"),
    "posetrack.measuring.floor": ("MeasuredFloor",),
    "posetrack.measuring.measure": ("measure",),
    "posetrack.measuring.settings": ("MeasureSettings",),
    "posetrack.measuring.write": ("write_measures",),
    "posetrack.results.dense_poses": ("SavedDense", "read_dense"),
    "posetrack.results.poses": ("SavedPoses", "read_poses"),
    "posetrack.run.crops": ("crop_people",),
    "posetrack.run.draw": ("draw_poses",),
    "posetrack.run.report": ("RunReport",),
    "posetrack.run.tracker": ("Tracker", "track"),
    "posetrack.selection.people": ("PeopleSelection",),
    "posetrack.selection.region": ("ImageRegion", "read_regions"),
    "posetrack.skeleton": ("Skeleton",),
}
"""Where the names are that type checkers see above; imported at first use, so that no command waits for all."""


def __getattr__(name: str) -> Any:
    value: Any
    if name == "__version__":
        from importlib.metadata import version

        value = version("posetrack")
    else:
        home = next((home for home, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
