"""HigherHRNet and SWAHR: the keypoints of everybody in a picture, found at once and grouped by tags."""
