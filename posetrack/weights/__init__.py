"""Weights that others publish: which there are, how they come to this machine, and where they lie on it."""
