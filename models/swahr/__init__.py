"""Bottom-up pose estimation: HigherHRNet and SWAHR, with keypoints grouped by tags."""
