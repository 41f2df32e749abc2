"""HigherHRNet and SWAHR: the keypoints of everybody in an image, found at once and grouped by tags."""
