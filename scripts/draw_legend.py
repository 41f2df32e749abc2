"""Draw the image of docs/overlay.md: one frame of the bundled clip, with layers over the video and on white.

Run by hand: `python scripts/draw_legend.py docs/media/legend.jpg`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

import posetrack
from posetrack.render import Renderer, RenderStyle

_CLIP = Path(__file__).parents[1] / "docs" / "media" / "street.mp4"
_OVER_VIDEO = RenderStyle(trails=True, scores=True, blur_faces=True)


def main() -> None:
    """Track a second of the clip and draw its last frame twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="image to write")
    out = parser.parse_args().out
    frames = list(posetrack.track(_CLIP, recipe="fast", start_s=2.8, end_s=3.8))
    skeleton = frames[-1].skeleton
    assert skeleton is not None
    on_white = replace(_OVER_VIDEO, background="white", boxes=False, scores=False)
    renderers = [Renderer(skeleton, style) for style in (_OVER_VIDEO, on_white)]
    for frame in frames:
        drawn = [render(frame) for render in renderers]
    # The right-hand part, where the cyclist is.
    drawn = [image[:, image.shape[1] // 3 :] for image in drawn]
    cv2.imwrite(str(out), np.hstack(drawn)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
