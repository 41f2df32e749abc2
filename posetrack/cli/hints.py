"""Hints for what people try first: a camera given to `posetrack run`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from posetrack.errors import VideoError


def check_no_camera(sources: Iterable[str]) -> None:
    """Check that no source of a run is meant as a camera.

    Raises:
        VideoError: One is the number of a camera, or its device, which need not be there.
    """
    for source in sources:
        if re.fullmatch(r"[0-9]{1,3}", source) and not os.path.exists(source):
            raise VideoError(f"{source}: a camera is watched with `posetrack live {source}`; run takes files")
        if re.fullmatch(r"/dev/video[0-9]+", source):
            raise VideoError(f"{source}: a camera is watched with `posetrack live {source}`; run takes files")
