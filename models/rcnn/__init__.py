"""The R-CNN family: a mobile detector of people, and boxes, masks and keypoints in one pass."""
