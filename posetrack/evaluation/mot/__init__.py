"""Evaluation of tracked boxes against MOTChallenge ground truth."""
