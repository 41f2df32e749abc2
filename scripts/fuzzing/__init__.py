"""Damaged files of every kind, for `fuzz.py`."""
