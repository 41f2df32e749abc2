"""The R-CNN family: detectors of people, some of which also find masks and keypoints."""
