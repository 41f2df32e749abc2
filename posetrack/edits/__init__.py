"""Corrections of saved poses: a log of edits beside a `poses.jsonl`, which stays as it is."""
