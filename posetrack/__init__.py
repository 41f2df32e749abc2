"""PoseTrack finds, follows and measures people in video.

>>> import posetrack
>>> for frame in posetrack.track("docs/media/street.mp4", recipe="fast", start_s=3.2, end_s=3.25):
...     print(frame.time_s, frame.instances.track_ids, frame.instances.keypoints_xy.shape)
3.2 [1] (1, 17, 2)
3.24 [1] (1, 17, 2)

`Tracker` loads the networks once for many videos, and writes what `posetrack run` writes; `read_poses` reads it
back, as frames or as a table of pandas. docs/python.ipynb shows it all. Importing this package imports neither
torch nor OpenCV: they come with the first tracker.
"""

from __future__ import annotations

from importlib.metadata import version as _read_version

from posetrack.drawing import draw
from posetrack.errors import PoseTrackError
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

__all__ = [
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
    "measure",
    "read_dense",
    "read_poses",
    "read_regions",
    "track",
    "write_measures",
]

__version__ = _read_version("posetrack")


def __dir__() -> list[str]:
    return sorted(__all__)
