"""Hints for what people try first: a camera, or saved poses, given to `posetrack run`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from posetrack.errors import VideoError


def check_is_for_run(sources: Iterable[str]) -> None:
    """Check that no source of a run is meant for another command.

    Raises:
        VideoError: One is the number of a camera, or its device, which need not be there; or a file of poses.
    """
    for source in sources:
        if source.endswith(".jsonl"):
            raise VideoError(
                f"{source}: saved poses are drawn with `posetrack draw`, and get new ids with `posetrack "
                "retrack`; run takes videos and images"
            )
        if re.fullmatch(r"[0-9]{1,3}", source) and not os.path.exists(source):
            raise VideoError(f"{source}: a camera is watched with `posetrack live {source}`; run takes files")
        if re.fullmatch(r"/dev/video[0-9]+", source):
            raise VideoError(f"{source}: a camera is watched with `posetrack live {source}`; run takes files")
