"""Draw people over their image: skeletons, masks, dense poses, boxes, ids and trails; blur faces."""

from posetrack.render.colors import Color, PersonColors, color_of
from posetrack.render.faces import FaceBlur
from posetrack.render.renderer import Renderer
from posetrack.render.style import BACKGROUNDS, Background, RenderStyle

__all__ = [
    "BACKGROUNDS",
    "Background",
    "Color",
    "FaceBlur",
    "PersonColors",
    "RenderStyle",
    "Renderer",
    "color_of",
]
