"""Published checkpoints of detectron2's DensePose in the names of our networks.

detectron2's files are pickles of a dict with `model`: numpy arrays by name. They differ from ours in the names,
and in the order of the classes, of which the background is the last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

_UNUSED = ("proposal_generator.anchor_generator.cell_anchors.", "pixel_mean", "pixel_std")
_CLASS_ROWS = "roi_heads.box_predictor.cls_score."
_LAYERS = {
    "ann_index": "coarse",
    "index_uv": "fine",
    "fine_segm_confidence": "fine_confidence",
    "coarse_segm_confidence": "coarse_confidence",
}
_BLOCKS = {"g.0": "value", "theta": "query", "phi.0": "key", "W.0": "out", "W.1": "norm"}

_Rename = tuple[str, str | Callable[[re.Match[str]], str]]


def _count_down(template: str, *offsets: int) -> Callable[[re.Match[str]], str]:
    """Fill a template with the numbers of a match, each less an offset."""
    return lambda found: template.format(
        *(int(text) - offset for text, offset in zip(found.groups(), offsets, strict=True))
    )


# Each name is changed by the first that fits.
_RENAMES: tuple[_Rename, ...] = (
    (r"backbone\.bottom_up\.stem\.conv1\.norm\.", "backbone.body.bn1."),
    (r"backbone\.bottom_up\.stem\.conv1\.", "backbone.body.conv1."),
    (
        r"backbone\.bottom_up\.res(\d)\.(\d+)\.shortcut\.norm\.",
        _count_down("backbone.body.layer{}.{}.downsample.1.", 1, 0),
    ),
    (
        r"backbone\.bottom_up\.res(\d)\.(\d+)\.shortcut\.",
        _count_down("backbone.body.layer{}.{}.downsample.0.", 1, 0),
    ),
    (
        r"backbone\.bottom_up\.res(\d)\.(\d+)\.conv(\d)\.norm\.",
        _count_down("backbone.body.layer{}.{}.bn{}.", 1, 0, 0),
    ),
    (
        r"backbone\.bottom_up\.res(\d)\.(\d+)\.conv(\d)\.",
        _count_down("backbone.body.layer{}.{}.conv{}.", 1, 0, 0),
    ),
    (r"backbone\.fpn_lateral(\d)\.", _count_down("backbone.fpn.inner_blocks.{}.0.", 2)),
    (r"backbone\.fpn_output(\d)\.", _count_down("backbone.fpn.layer_blocks.{}.0.", 2)),
    (r"proposal_generator\.rpn_head\.conv\.", "rpn.head.conv.0.0."),
    (r"proposal_generator\.rpn_head\.objectness_logits\.", "rpn.head.cls_logits."),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.", "rpn.head.bbox_pred."),
    (r"roi_heads\.box_head\.fc(\d)\.", _count_down("roi_heads.box_head.fc{}.", -5)),
    (
        r"roi_heads\.decoder\.p(\d)\.(\d)\.",
        # Ours have the enlargement between the convolutions as a layer of its own.
        lambda found: f"roi_heads.maps.decoder.levels.{int(found[1]) - 2}.{int(found[2]) // 2 * 3}.",
    ),
    (r"roi_heads\.decoder\.predictor\.", "roi_heads.maps.decoder.join."),
    (
        r"roi_heads\.densepose_head\.body_conv_fcn(\d)\.norm\.",
        _count_down("roi_heads.dense_head.convolutions.{}.1.", 1),
    ),
    (
        r"roi_heads\.densepose_head\.body_conv_fcn(\d)\.",
        _count_down("roi_heads.dense_head.convolutions.{}.0.", 1),
    ),
    # The last branch begins with the pooling, which is no layer of ours.
    (
        r"roi_heads\.densepose_head\.ASPP\.convs\.4\.(\d)\.",
        _count_down("roi_heads.dense_head.pyramid.branches.4.{}.", 1),
    ),
    (
        r"roi_heads\.densepose_head\.ASPP\.convs\.(\d)\.(\d)\.",
        _count_down("roi_heads.dense_head.pyramid.branches.{}.{}.", 0, 0),
    ),
    (r"roi_heads\.densepose_head\.ASPP\.project\.0\.", "roi_heads.dense_head.pyramid.join."),
    (
        r"roi_heads\.densepose_head\.NLBlock\.(g\.0|theta|phi\.0|W\.0|W\.1)\.",
        lambda found: f"roi_heads.dense_head.non_local.{_BLOCKS[found[1]]}.",
    ),
    (
        r"roi_heads\.densepose_predictor\.(\w+)_lowres\.",
        lambda found: f"roi_heads.dense_predictor.layers.{_LAYERS.get(found[1], found[1])}.",
    ),
)


def is_published(state: Mapping[str, object]) -> bool:
    """Whether names are those of detectron2's DensePose."""
    return any(name.startswith("roi_heads.densepose_predictor.") for name in state)


def rename_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert detectron2's weights of a DensePose network to ours.

    Args:
        state: Weights by detectron2's names.

    Returns:
        Weights by our names; a name that is not known stays as it is. What our networks compute themselves,
        such as anchors, is left out.
    """
    renamed = {}
    for name, tensor in state.items():
        if name.startswith(_UNUSED):
            continue
        # Theirs are person and background, ours background and person.
        value = tensor.flip(0) if name.startswith(_CLASS_ROWS) else tensor
        renamed[_rename(name)] = value
    return renamed


def _rename(name: str) -> str:
    for pattern, replacement in _RENAMES:
        renamed, number = re.subn(f"^{pattern}", replacement, name)
        if number:
            return renamed
    return name
