"""The errors that PoseTrack raises on purpose.

Each message is one line that says what is wrong, where, and what to do about it.

    PoseTrackError
    ├── VideoError     a source cannot be read, or a video cannot be written
    │   └── SilentSourceError   a source has given no data for too long
    ├── RecipeError    a recipe is not valid
    ├── WeightsError   network weights are missing, damaged or do not fit
    └── ResultsError   a results or annotation file cannot be read or written
"""


class PoseTrackError(Exception):
    """Base of every error that PoseTrack raises on purpose.

    >>> from posetrack import Tracker
    >>> try:
    ...     Tracker("fasst")
    ... except PoseTrackError as error:
    ...     print(str(error).split(",")[0])
    fasst: no such recipe; did you mean 'fast'?
    """


class VideoError(PoseTrackError):
    """A source cannot be read, or a video cannot be written."""


class SilentSourceError(VideoError):
    """A source has given no data for longer than its time-out; the frames before are whole."""


class RecipeError(PoseTrackError):
    """A tracking recipe is not valid."""


class WeightsError(PoseTrackError):
    """Network weights are missing, damaged, or do not fit their network."""


class ResultsError(PoseTrackError):
    """A results or annotation file cannot be read or written, or does not hold what it should."""
