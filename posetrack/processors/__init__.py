"""Frame processors: each takes an iterator of frames and gives an iterator of frames."""
