"""Faults of the machine and of other machines, for `faults.py`."""
