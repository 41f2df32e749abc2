"""The parts of the body's surface: 24 charts, 14 coarse masks, and how they belong together and mirror.

Source: Güler et al., "DensePose: Dense Human Pose Estimation in the Wild", CVPR 2018, and its data set. Numbers
begin at 1; 0 is the background. Left and right are the person's own.
"""

from __future__ import annotations

NUM_CHARTS = 24
"""Charts of the surface, each with coordinates u and v in 0..1."""
NUM_MASKS = 14
"""Coarse parts that annotators painted (`dp_masks`)."""

MADE = "made"
"""What recipes and commands call PoseTrack's own charts, on a body whose halves are mirror images."""
SMPL = "smpl"
"""What recipes call the charts of DensePose's data set, on the body of Loper et al., SIGGRAPH Asia 2015."""

CHART_NAMES = (
    *("background", "torso back", "torso front", "right hand", "left hand", "left foot", "right foot"),
    *("right upper leg back", "left upper leg back", "right upper leg front", "left upper leg front"),
    *("right lower leg back", "left lower leg back", "right lower leg front", "left lower leg front"),
    *("left upper arm front", "right upper arm front", "left upper arm back", "right upper arm back"),
    *("left lower arm front", "right lower arm front", "left lower arm back", "right lower arm back"),
    *("head right", "head left"),
)
"""Names of the charts by number."""
MASK_NAMES = (
    *("background", "torso", "right hand", "left hand", "left foot", "right foot", "right upper leg"),
    *("left upper leg", "right lower leg", "left lower leg", "left upper arm", "right upper arm"),
    *("left lower arm", "right lower arm", "head"),
)
"""Names of the coarse masks by number."""

CHART_TO_MASK = (0, 1, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9, 8, 9, 10, 11, 10, 11, 12, 13, 12, 13, 14, 14)
"""The coarse mask of each chart."""
CHART_MIRROR = (0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23)
"""Each chart's counterpart in the mirrored image."""
MASK_MIRROR = (0, 1, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 14)
"""Each coarse mask's counterpart in the mirrored image."""
CHART_GROUPS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8)
"""The group of each chart in the evaluation: torso, hands, feet, upper legs, lower legs, upper arms, lower
arms, head."""
