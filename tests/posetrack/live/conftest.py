"""Images as live outputs get them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from posetrack.frame import Frame, Instances
from posetrack.live.controls import LiveSettings
from posetrack.live.session import LiveFrame
from posetrack.live.stats import LiveStats
from posetrack.video.live import LiveStatus


@pytest.fixture
def make_image() -> Callable[..., LiveFrame]:
    def make(
        index: int = 0,
        *,
        time_s: float | None = None,
        size_wh: tuple[int, int] = (64, 48),
        is_recording: bool = True,
        value: int = 90,
    ) -> LiveFrame:
        image = np.full((size_wh[1], size_wh[0], 3), value, np.uint8)
        people = Instances(
            boxes_xyxy=np.array([[1, 2, 30, 40]]),
            box_scores=np.array([0.5]),
            keypoints_xy=np.full((1, 17, 2), 12.5),
            keypoint_scores=np.full((1, 17), 0.75),
            track_ids=np.array([7]),
        )
        frame = Frame(index, index / 25 if time_s is None else time_s, image, people)
        settings = LiveSettings("fast", is_recording=is_recording)
        return LiveFrame(frame, image, settings, LiveStats(20.0, 50.0, 80.0), LiveStatus("live", "", 9, 3, 0))

    return make
