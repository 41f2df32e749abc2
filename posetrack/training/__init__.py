"""Trainers made from recipes: skeletons, data files and metrics are known here, not in `models`."""
