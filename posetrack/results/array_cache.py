"""The cache folder of arrays that pickles have as text."""

from __future__ import annotations

from pathlib import Path


def find_array_cache() -> Path:
    """The cache folder of arrays that can only be mapped when converted; it need not exist."""
    from models.cache_folder import find_cache_folder

    return find_cache_folder().parent / "densepose"
