"""The error of making images of people."""

from posetrack.errors import PoseTrackError


class SynthesisError(PoseTrackError):
    """Images cannot be made: of the options, the bodies, the backgrounds or the output folder."""
