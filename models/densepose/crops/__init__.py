"""Dense poses top-down: one person in each crop, as in HRNet, in place of regions of a detector's maps."""
