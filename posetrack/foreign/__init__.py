"""Poses of other programs: their files as headers and records of our own."""
