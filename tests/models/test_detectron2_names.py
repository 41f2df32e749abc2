import re

import pytest
import torch

from models.checkpoints import CheckpointError, import_checkpoint
from models.densepose.network import make_densepose
from models.densepose.variants import NETWORKS
from models.detectron2_names import is_published, rename_published

KINDS = [name for name in NETWORKS if name.startswith("densepose-")]
LAYERS = {"coarse": "ann_index", "fine": "index_uv"}
CONFIDENCES = {"fine_confidence": "fine_segm_confidence", "coarse_confidence": "coarse_segm_confidence"}


def publish(name):
    """The published name of one of our weights, written from the public code's side."""
    if found := re.fullmatch(r"backbone\.body\.(conv1|bn1)\.(\w+)", name):
        return f"backbone.bottom_up.stem.conv1.{'norm.' if found[1] == 'bn1' else ''}{found[2]}"
    if found := re.fullmatch(r"backbone\.body\.layer(\d)\.(\d+)\.(\w+?)(\d|\.[01])\.(\w+)", name):
        stage, block, part, number, last = found.groups()
        is_norm = part == "bn" or number == ".1"
        own = "shortcut" if part == "downsample" else f"conv{number}"
        return f"backbone.bottom_up.res{int(stage) + 1}.{block}.{own}.{'norm.' if is_norm else ''}{last}"
    if found := re.fullmatch(r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.0\.(\w+)", name):
        return f"backbone.fpn_{'lateral' if found[1] == 'inner' else 'output'}{int(found[2]) + 2}.{found[3]}"
    if found := re.fullmatch(r"rpn\.head\.(conv\.0\.0|cls_logits|bbox_pred)\.(\w+)", name):
        parts = {"conv.0.0": "conv", "cls_logits": "objectness_logits", "bbox_pred": "anchor_deltas"}
        return f"proposal_generator.rpn_head.{parts[found[1]]}.{found[2]}"
    if found := re.fullmatch(r"roi_heads\.box_head\.fc([67])\.(\w+)", name):
        return f"roi_heads.box_head.fc{int(found[1]) - 5}.{found[2]}"
    if name.startswith("roi_heads.box_predictor."):
        return name
    if found := re.fullmatch(r"roi_heads\.maps\.decoder\.levels\.(\d)\.(\d)\.(\w+)", name):
        return f"roi_heads.decoder.p{int(found[1]) + 2}.{int(found[2]) * 2 // 3}.{found[3]}"
    if name.startswith("roi_heads.maps.decoder.join."):
        return name.replace("maps.decoder.join", "decoder.predictor")
    if found := re.fullmatch(r"roi_heads\.dense_head\.convolutions\.(\d)\.([01])\.(\w+)", name):
        norm = "norm." if found[2] == "1" else ""
        return f"roi_heads.densepose_head.body_conv_fcn{int(found[1]) + 1}.{norm}{found[3]}"
    if found := re.fullmatch(r"roi_heads\.dense_head\.pyramid\.branches\.(\d)\.(\d)\.(\w+)", name):
        return f"roi_heads.densepose_head.ASPP.convs.{found[1]}.{int(found[2]) + (found[1] == '4')}.{found[3]}"
    if name == "roi_heads.dense_head.pyramid.join.weight":
        return "roi_heads.densepose_head.ASPP.project.0.weight"
    found = re.fullmatch(r"roi_heads\.dense_predictor\.layers\.(\w+)\.(\w+)", name)
    assert found, name
    part = (LAYERS | CONFIDENCES).get(found[1], found[1])
    return f"roi_heads.densepose_predictor.{part}_lowres.{found[2]}"


def make_on_meta(name):
    with torch.device("meta"):
        return make_densepose(NETWORKS[name])


def make_published(name):
    """Weights by published names, with what older files hold besides."""
    own = make_on_meta(name).state_dict()
    extra = ("proposal_generator.anchor_generator.cell_anchors.0", "pixel_mean", "pixel_std")
    return {publish(key): value for key, value in own.items()} | {key: torch.zeros(3) for key in extra}


@pytest.mark.parametrize("kind", KINDS)
def test_published_names_are_ours_strictly(kind):
    network, published = make_on_meta(kind), make_published(kind)
    assert is_published(published)
    renamed = rename_published(published)
    assert {name: value.shape for name, value in renamed.items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }
    assert not is_published(renamed)


def test_the_background_comes_first():
    published = {"roi_heads.box_predictor.cls_score.bias": torch.tensor([1.0, 2.0])}
    assert next(iter(rename_published(published).values())).tolist() == [2, 1]


@pytest.fixture
def checkpoint():
    """A whole published checkpoint; each weight is one number, repeated, which makes the file small."""
    state = make_published("densepose-r50")
    return {name: torch.zeros(1).expand(value.shape) for name, value in state.items()}


def test_checkpoints_are_imported_strictly(checkpoint, tmp_path):
    path = tmp_path / "model_final.pth"
    torch.save({"model": checkpoint, "__author__": "somebody"}, path)
    state = import_checkpoint(path, lambda _: make_densepose(NETWORKS["densepose-r50"]))
    assert state.keys() == make_on_meta("densepose-r50").state_dict().keys()
    left_out = "roi_heads.densepose_predictor.u_lowres.bias"
    torch.save({name: value for name, value in checkpoint.items() if name != left_out}, path)
    with pytest.raises(CheckpointError, match=r"missing roi_heads\.dense_predictor\.layers\.u\.bias"):
        import_checkpoint(path, lambda _: make_densepose(NETWORKS["densepose-r50"]))
    torch.save(checkpoint | {"roi_heads.densepose_predictor.w_lowres.bias": torch.zeros(25)}, path)
    with pytest.raises(CheckpointError, match=r"unexpected roi_heads\.dense_predictor\.layers\.w\.bias"):
        import_checkpoint(path, lambda _: make_densepose(NETWORKS["densepose-r50"]))
    with pytest.raises(CheckpointError, match="does not fit"):
        import_checkpoint(path, lambda _: make_densepose(NETWORKS["densepose-r50-improved"]))
