"""Published checkpoints of detectron2's DensePose, and of those who built on it, in the names of our networks.

detectron2's files are pickles of a dict with `model`: numpy arrays by name. They differ from ours in the names,
and in the order of the classes, of which the background is the last. Mobile Parsing R-CNN (B) of "Making
DensePose fast and light" (Rakhimov et al., WACV 2021) was published from detectron2 too, with timm's names for
its body; its pyramid's names are those of the paper's paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from models.backbones.variants import FUSION_EPSILON

MOBILE_PARSING = "Mobile Parsing R-CNN (B)"
"""What `find_origin` calls the network with a mobile body."""

_UNUSED = re.compile(
    r"proposal_generator\.anchor_generator\.cell_anchors\..*|pixel_mean|pixel_std|backbone\.fuse_\w+\.eps"
)
_EPSILON = re.compile(r"backbone\.fuse_\w+\.eps")
_CLASS_ROWS = ("roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.cls_score.bias")
_PREDICTOR = "roi_heads.densepose_predictor."
_MOBILE_STEM = "backbone.bottom_up.conv_stem."
_LAYERS = {
    "ann_index": "coarse",
    "index_uv": "fine",
    "fine_segm_confidence": "fine_confidence",
    "coarse_segm_confidence": "coarse_confidence",
    **{name: name for name in ("u", "v", "sigma_2", "kappa_u", "kappa_v")},
}
_NON_LOCAL = {"g.0": "value", "theta": "query", "phi.0": "key", "W.0": "out", "W.1": "norm"}
# Ours have the enlargement between the decoder's convolutions as a layer of its own.
_DECODER = {"0": "0", "2": "3", "4": "6"}
# A separable convolution: depthwise, pointwise, norm.
_SEPARABLE = {"0.0": "0", "0.1": "1", "1": "2"}
# The mobile pyramid: the way down to the finest level, the way up again, and the strides on it, finest first.
_PATHS = {
    "down": ("p2_out", "p3_tr", "p4_tr"),
    "up": ("p3_out", "p4_out", "p5_out"),
    "strides": ("down_p2", "down_p3", "down_p4"),
}


@dataclass(frozen=True)
class _Rule:
    """The beginning of some names.

    Attributes:
        published: Theirs; `{}` stands for a number.
        own: Ours.
        offsets: What to add to each of their numbers; without any, they stay.
    """

    published: str
    own: str
    offsets: tuple[int, ...] = ()
    _of_published: re.Pattern[str] = field(init=False)
    _of_own: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        for name, template in (("_of_published", self.published), ("_of_own", self.own)):
            pattern = re.escape(template).replace(re.escape("{}"), r"([0-9]{1,4})")
            object.__setattr__(self, name, re.compile(pattern))

    def to_own(self, name: str) -> str | None:
        """Our name for one of theirs; None where the rule is of others."""
        return _replace(name, self._of_published, self.own, self.offsets)

    def to_published(self, name: str) -> str | None:
        """Their name for one of ours; None where the rule is of others."""
        return _replace(name, self._of_own, self.published, tuple(-offset for offset in self.offsets))


# For each name the first that fits counts.
_RULES = (
    _Rule("backbone.bottom_up.stem.conv1.norm.", "backbone.body.bn1."),
    _Rule("backbone.bottom_up.stem.conv1.", "backbone.body.conv1."),
    _Rule("backbone.bottom_up.res{}.{}.shortcut.norm.", "backbone.body.layer{}.{}.downsample.1.", (-1, 0)),
    _Rule("backbone.bottom_up.res{}.{}.shortcut.", "backbone.body.layer{}.{}.downsample.0.", (-1, 0)),
    _Rule("backbone.bottom_up.res{}.{}.conv{}.norm.", "backbone.body.layer{}.{}.bn{}.", (-1, 0, 0)),
    _Rule("backbone.bottom_up.res{}.{}.conv{}.", "backbone.body.layer{}.{}.conv{}.", (-1, 0, 0)),
    _Rule("backbone.fpn_lateral{}.", "backbone.fpn.inner_blocks.{}.0.", (-2,)),
    _Rule("backbone.fpn_output{}.", "backbone.fpn.layer_blocks.{}.0.", (-2,)),
    *(_Rule(f"backbone.bottom_up.{part}.", f"backbone.body.network.{part}.") for part in ("conv_stem", "bn1")),
    _Rule("backbone.bottom_up.blocks.", "backbone.body.network.blocks."),
    _Rule("backbone.l{}.", "backbone.fpn.laterals.{}.", (-2,)),
    *(
        _Rule(f"backbone.{path}.{theirs}.", f"backbone.fpn.{way}.{i}.{ours}.")
        for way, paths in _PATHS.items()
        for i, path in enumerate(paths)
        for theirs, ours in _SEPARABLE.items()
    ),
    *(
        _Rule(f"backbone.fuse_{path}.weight", f"backbone.fpn.{way}_weights.{i}")
        for way in ("down", "up")
        for i, path in enumerate(_PATHS[way])
    ),
    _Rule("proposal_generator.rpn_head.conv.", "rpn.head.conv.0.0."),
    _Rule("proposal_generator.rpn_head.objectness_logits.", "rpn.head.cls_logits."),
    _Rule("proposal_generator.rpn_head.anchor_deltas.", "rpn.head.bbox_pred."),
    _Rule("roi_heads.box_head.fc{}.", "roi_heads.box_head.fc{}.", (5,)),
    _Rule("roi_heads.box_head.conv{}.", "roi_heads.box_head.convolutions.{}.0.", (-1,)),
    *(
        _Rule(f"roi_heads.decoder.p{{}}.{theirs}.", f"roi_heads.maps.decoder.levels.{{}}.{ours}.", (-2,))
        for theirs, ours in _DECODER.items()
    ),
    _Rule("roi_heads.decoder.predictor.", "roi_heads.maps.decoder.join."),
    _Rule("roi_heads.densepose_head.body_conv_fcn{}.norm.", "roi_heads.dense_head.convolutions.{}.1.", (-1,)),
    _Rule("roi_heads.densepose_head.body_conv_fcn{}.", "roi_heads.dense_head.convolutions.{}.0.", (-1,)),
    # The last branch begins with the pooling, which is no layer of ours.
    _Rule("roi_heads.densepose_head.ASPP.convs.4.{}.", "roi_heads.dense_head.pyramid.branches.4.{}.", (-1,)),
    _Rule("roi_heads.densepose_head.ASPP.convs.{}.{}.", "roi_heads.dense_head.pyramid.branches.{}.{}."),
    _Rule("roi_heads.densepose_head.ASPP.project.0.", "roi_heads.dense_head.pyramid.join."),
    *(
        _Rule(f"roi_heads.densepose_head.NLBlock.{theirs}.", f"roi_heads.dense_head.non_local.{ours}.")
        for theirs, ours in _NON_LOCAL.items()
    ),
    *(
        _Rule(f"{_PREDICTOR}{theirs}_lowres.", f"roi_heads.dense_predictor.layers.{ours}.")
        for theirs, ours in _LAYERS.items()
    ),
)


def find_origin(names: Iterable[str]) -> str:
    """Find who published weights with these names.

    Returns:
        `detectron2` for its ResNets, `MOBILE_PARSING`, or "" for others.
    """
    names = list(names)
    if not any(name.startswith(_PREDICTOR) for name in names):
        return ""
    return MOBILE_PARSING if any(name.startswith(_MOBILE_STEM) for name in names) else "detectron2"


def drop_unused(content: Mapping[Any, Any]) -> dict[Any, Any]:
    """Leave out what our networks compute themselves, such as anchors, or have as constants.

    Raises:
        ValueError: A constant is another.
    """
    for name, value in content.items():
        if isinstance(name, str) and _EPSILON.fullmatch(name) and not _is_epsilon(value):
            raise ValueError(f"{name} is not {FUSION_EPSILON:g}, as in the networks of this version")
    return {
        name: value
        for name, value in content.items()
        if not (isinstance(name, str) and _UNUSED.fullmatch(name))
    }


def _is_epsilon(value: object) -> bool:
    """Whether it is the epsilon of our networks, which may have been rounded to half precision."""
    if not isinstance(value, Tensor):
        return False
    return bool(((value - FUSION_EPSILON).abs() <= 0.01 * FUSION_EPSILON).all())


def rename_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert detectron2's weights of a DensePose network to ours.

    Args:
        state: Weights by detectron2's names.

    Returns:
        Weights by our names; a name that is not known stays as it is. What is not used is left out.

    Raises:
        ValueError: Two names are one of ours, or a constant is another than ours.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in drop_unused(state).items():
        own = next((own for rule in _RULES if (own := rule.to_own(name)) is not None), name)
        if own in renamed:
            raise ValueError(f"holds {own} twice, once as {name}")
        # Theirs are person and background, ours background and person.
        renamed[own] = tensor.flip(0) if name in _CLASS_ROWS and tensor.ndim else tensor
    return renamed


def find_published_name(name: str) -> str:
    """Find detectron2's name for a weight of ours; a name that is not known stays as it is."""
    return next((theirs for rule in _RULES if (theirs := rule.to_published(name)) is not None), name)


def _replace(name: str, pattern: re.Pattern[str], template: str, offsets: tuple[int, ...]) -> str | None:
    found = pattern.match(name)
    if found is None:
        return None
    texts = found.groups()
    numbers = [int(text) + offset for text, offset in zip(texts, offsets or (0,) * len(texts), strict=True)]
    return template.format(*numbers) + name[found.end() :]
