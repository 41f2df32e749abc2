"""PoseTrack finds, follows and measures people in video."""
