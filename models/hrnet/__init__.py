"""Top-down pose estimation: HRNet and SimpleBaseline."""
