"""Draw the image of the README: a frame of each bundled clip, as `posetrack run` draws it.

Run by hand: `python scripts/draw_overview.py docs/media/overlay.jpg`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from posetrack import Tracker
from posetrack.frame import ImageArray
from posetrack.run.view import DrawnView, Painter

_MEDIA = Path(__file__).parents[1] / "docs" / "media"
_HEIGHT_PX = 384


def main() -> None:
    """Track a moment of each clip and draw its last frame."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="image to write")
    out = parser.parse_args().out
    tracker = Tracker("default")
    street = _draw(tracker, "street.mp4", 3.0, 3.6)
    crossing = _draw(tracker, "crossing.mp4", 0.0, 1.6)
    # Of the street the right-hand part, where the cyclist is.
    drawn = np.hstack([street[:, street.shape[1] // 3 :], crossing])
    cv2.imwrite(str(out), drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])


def _draw(tracker: Tracker, name: str, start_s: float, end_s: float) -> ImageArray:
    """The last frame of a part, (384, W, 3)."""
    paint: Painter | None = None
    drawn = None
    for frame in tracker.track(_MEDIA / name, start_s=start_s, end_s=end_s):
        if paint is None:
            paint = Painter(tracker.skeleton, DrawnView(scale=_HEIGHT_PX / frame.image.shape[0]))
        drawn = paint(frame)
    assert drawn is not None
    return drawn


if __name__ == "__main__":
    main()
