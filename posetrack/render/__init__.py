"""Draw people over their image: skeletons, masks, dense poses, boxes, ids and trails; blur faces."""

from posetrack.render.colors import Color, color_of
from posetrack.render.faces import FaceBlur
from posetrack.render.renderer import Renderer
from posetrack.render.style import BACKGROUNDS, Background, RenderStyle

__all__ = ["BACKGROUNDS", "Background", "Color", "FaceBlur", "RenderStyle", "Renderer", "color_of"]
