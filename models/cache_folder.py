"""The cache folder, without the imports of what is kept in it."""

from __future__ import annotations

import os
from pathlib import Path


def find_cache_folder() -> Path:
    """The folder of converted networks, which need not exist; others are beside it.

    It is `$POSETRACK_CACHE/engines` where that variable is set, else `$XDG_CACHE_HOME/posetrack/engines`, else
    `~/.cache/posetrack/engines`.
    """
    if own := os.environ.get("POSETRACK_CACHE"):
        return Path(own) / "engines"
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "posetrack" / "engines"
    return Path("~/.cache/posetrack/engines").expanduser()
