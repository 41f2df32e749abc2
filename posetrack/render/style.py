"""RenderStyle: what is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from models.settings import suggest
from posetrack.errors import PoseTrackError
from posetrack.render.dense import DENSE_VIEWS
from posetrack.texture_atlas import TextureAtlas

Background = Literal["video", "black", "white", "transparent"]
"""What people are drawn on."""
BACKGROUNDS: tuple[str, ...] = get_args(Background)
"""The backgrounds, by name."""


@dataclass(frozen=True)
class RenderStyle:
    """What is drawn.

    Attributes:
        skeletons: Whether limbs and keypoints are drawn.
        masks: Whether masks are drawn, as a tint in the person's colour.
        boxes: Whether boxes are drawn.
        ids: Whether track ids are drawn beside the boxes.
        scores: Whether scores are drawn there, behind the ids.
        trails: Whether the past positions of the feet of visible people are drawn.
        min_keypoint_score: Keypoints below it, and their limbs, are not drawn.
        trail_s: Length of the trails in seconds.
        iuv: Whether dense poses are drawn.
        dense_view: How they are drawn, one of `posetrack.render.dense.DENSE_VIEWS`.
        texture: The texture of the view `texture`; `posetrack.texture_atlas.read_texture` reads one.
        blur_faces: Whether the heads of all people, drawn or not, are made unrecognisable in the image.
        only: The track ids that are drawn; None: everyone.
        drop: Track ids that are not drawn.
        background: What people are drawn on: `video`, the image; `black`; `white`; or `transparent`, for images
            with an alpha channel.

    Raises:
        PoseTrackError: There is no such view or background, the view `texture` has no texture, or another view
            has one.
    """

    skeletons: bool = True
    masks: bool = True
    boxes: bool = True
    ids: bool = True
    scores: bool = False
    trails: bool = False
    min_keypoint_score: float = 0.3
    trail_s: float = 1.5
    iuv: bool = True
    dense_view: str = "parts"
    texture: TextureAtlas | None = None
    blur_faces: bool = False
    only: frozenset[int] | None = None
    drop: frozenset[int] = frozenset()
    background: Background = "video"

    def __post_init__(self) -> None:
        if self.background not in BACKGROUNDS:
            raise PoseTrackError(
                f"background '{self.background}': no such background; {suggest(self.background, BACKGROUNDS)}"
            )
        if self.dense_view not in DENSE_VIEWS:
            raise PoseTrackError(
                f"dense_view '{self.dense_view}': no such view; {suggest(self.dense_view, DENSE_VIEWS)}"
            )
        if self.dense_view == "texture" and self.texture is None:
            raise PoseTrackError("dense_view 'texture': there is no texture; read one with read_texture")
        if self.dense_view != "texture" and self.texture is not None:
            raise PoseTrackError(
                f"dense_view '{self.dense_view}': shows no texture; use 'texture', or give none"
            )
