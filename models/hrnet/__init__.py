"""HRNet and SimpleBaseline: the keypoints of one person in one crop."""
