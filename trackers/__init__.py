"""Tracking: numpy in, numpy out. Knows no network and nothing of `posetrack`."""
