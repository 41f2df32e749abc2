"""Measures of people in saved poses: angles, lengths, speeds and paths, as tables, OpenSim files and plots."""
