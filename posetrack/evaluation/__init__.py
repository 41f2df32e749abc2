"""Evaluation of results with the metrics that papers report."""
