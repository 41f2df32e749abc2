"""Runs: a tracker that is loaded once, and jobs that write the results of one source to a folder."""
