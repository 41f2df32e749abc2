import re
import zlib

import numpy as np
import pytest
import torch
from reference.densepose_mobile_b import BOXES, IMAGE_SEED, OUTPUTS, SALT
from torch import nn

from models.backbones.mobile import MobileBody
from models.backbones.variants import SINGLE_PATH_EXPANDED
from models.checkpoints import CheckpointError, MisfitError, import_checkpoint
from models.densepose.heads import ChartPredictor, ContextHead
from models.densepose.network import make_densepose
from models.densepose.variants import NETWORKS
from models.detectron2_names import MOBILE_PARSING, find_origin, find_published_name, rename_published

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
    if name.startswith("roi_heads.dense_head.pyramid.join."):
        return name.replace("dense_head.pyramid.join", "densepose_head.ASPP.project.0")
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
    assert find_origin(published) == "detectron2"
    renamed = rename_published(published)
    assert {name: value.shape for name, value in renamed.items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }
    assert not find_origin(renamed)
    assert {name: find_published_name(name) for name in renamed} == {name: publish(name) for name in renamed}


def test_names_that_are_not_known_stay():
    for name in ("roi_heads.densepose_predictor.w_lowres.bias", f"backbone.fpn_lateral{'9' * 5000}.bias", "x"):
        assert list(rename_published({name: torch.zeros(1)})) == [name]
        assert find_published_name(name) == name


def test_the_background_comes_first():
    published = {"roi_heads.box_predictor.cls_score.bias": torch.tensor([1.0, 2.0])}
    assert next(iter(rename_published(published).values())).tolist() == [2, 1]


@pytest.fixture
def checkpoint():
    """A whole published checkpoint; each weight is one number, repeated, which makes the file small."""
    state = make_published("densepose-r50")
    return {name: torch.zeros(1).expand(value.shape) for name, value in state.items()}


def test_checkpoints_are_imported_strictly(checkpoint, tmp_path):
    """What does not fit is named as the file names it."""
    path = tmp_path / "model_final.pth"

    def run(content, kind="densepose-r50"):
        torch.save(content, path)
        return import_checkpoint(path, lambda _: make_densepose(NETWORKS[kind]))

    state = run({"model": checkpoint, "__author__": "somebody"})
    assert state.keys() == make_on_meta("densepose-r50").state_dict().keys()
    predictor = "roi_heads.densepose_predictor."
    left_out = {name: value for name, value in checkpoint.items() if name != f"{predictor}u_lowres.bias"}
    with pytest.raises(MisfitError, match=rf"does not fit the network: missing {predictor}u_lowres\.bias$"):
        run(left_out)
    for name in (f"{predictor}w_lowres.bias", "roi_heads.mask_point_head.fc1.weight"):
        with pytest.raises(MisfitError, match=f"does not fit the network: unexpected {name}$"):
            run(checkpoint | {name: torch.zeros(25)})
    wrong = {f"{predictor}v_lowres.bias": torch.zeros(24)}
    with pytest.raises(MisfitError, match=rf"{predictor}v_lowres\.bias: shape \(24,\), expected \(25,\)$"):
        run(checkpoint | wrong)
    twice = {"roi_heads.dense_predictor.layers.u.bias": torch.zeros(25)}
    with pytest.raises(CheckpointError, match=r"holds roi_heads\.dense_predictor\.layers\.u\.bias twice"):
        run(checkpoint | twice)
    broken = {f"{predictor}v_lowres.bias": torch.full((25,), torch.nan)}
    with pytest.raises(CheckpointError, match=rf"damaged: {predictor}v_lowres\.bias: NaN"):
        run(checkpoint | broken)
    with pytest.raises(MisfitError, match="does not fit"):
        run(checkpoint, "densepose-r50-improved")


def list_mobile_names():
    """The names of Mobile Parsing R-CNN (B) with timm's body, and those that each stands for here."""
    with torch.device("meta"):
        body = MobileBody(SINGLE_PATH_EXPANDED).network.state_dict()
    names = {f"backbone.bottom_up.{name}": f"backbone.body.network.{name}" for name in body}
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    block = {"0.0.weight": "0.weight", "0.1.weight": "1.weight"} | {f"1.{name}": f"2.{name}" for name in norm}
    for i, level in enumerate((2, 3, 4, 5)):
        names |= {
            f"backbone.l{level}.{name}": f"backbone.fpn.laterals.{i}.{name}" for name in ("weight", "bias")
        }
    paths = {f"p{i + 3}_tr": ("down", i + 1) for i in range(2)} | {"p2_out": ("down", 0)}
    paths |= {f"p{i + 3}_out": ("up", i) for i in range(3)} | {
        f"down_p{i + 2}": ("strides", i) for i in range(3)
    }
    for path, (way, i) in paths.items():
        names |= {f"backbone.{path}.{old}": f"backbone.fpn.{way}.{i}.{new}" for old, new in block.items()}
        if way != "strides":
            names[f"backbone.fuse_{path}.weight"] = f"backbone.fpn.{way}_weights.{i}"
    values = ("weight", "bias")
    heads = {
        "proposal_generator.rpn_head.conv": "rpn.head.conv.0.0",
        "proposal_generator.rpn_head.objectness_logits": "rpn.head.cls_logits",
        "proposal_generator.rpn_head.anchor_deltas": "rpn.head.bbox_pred",
        **{f"roi_heads.box_head.conv{i + 1}": f"roi_heads.box_head.convolutions.{i}.0" for i in range(2)},
        **{name: name for name in ("roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.bbox_pred")},
    }
    names |= {f"{old}.{value}": f"{new}.{value}" for old, new in heads.items() for value in values}
    dense = nn.ModuleDict(
        {"dense_head": ContextHead(64, 64, 64, 0), "dense_predictor": ChartPredictor(64, is_enlarged=False)}
    )
    return names | {publish(f"roi_heads.{name}"): f"roi_heads.{name}" for name in dense.state_dict()}


def test_the_mobile_network_has_names_one_to_one():
    names = list_mobile_names()
    own = make_on_meta("mobile-parsing-b").state_dict()
    assert set(names.values()) == own.keys()
    # Counted in the published file; six are constants.
    assert len(names) == 503 - 6
    constants = [name.replace(".weight", ".eps") for name in names if "fuse_" in name]
    assert len(constants) == 6
    assert find_origin([*names, *constants]) == MOBILE_PARSING
    published = {name: torch.tensor([float(i), 0]) for i, name in enumerate(names)}
    renamed = rename_published(published | {name: torch.tensor(1e-4) for name in constants})
    assert list(renamed) == list(names.values())
    assert [find_published_name(name) for name in renamed] == list(names)
    rows = {name: value.tolist().index(0) for name, value in list(renamed.items())[1:]}
    assert {name for name, row in rows.items() if row == 0} == {
        f"roi_heads.box_predictor.cls_score.{value}" for value in ("weight", "bias")
    }


def draw_weights(key, shape):
    """Weights of the public code's case, drawn by name."""
    draw = np.random.default_rng(zlib.crc32((SALT + key).encode()))
    normal = draw.standard_normal(shape).astype(np.float32)
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.long)
    if key.endswith("running_var"):
        normal = 0.5 + draw.random(shape)
    elif len(shape) <= 1:
        normal = 0.1 * normal + (key.endswith("weight") and not key.endswith("running_mean"))
    else:
        normal = normal * (2 if len(shape) == 4 else 1) ** 0.5 * np.prod(shape[1:]) ** -0.5 * 0.7
    return torch.from_numpy(np.asarray(normal, np.float32))


def test_the_mobile_network_gives_what_the_public_code_gives(tmp_path):
    own = make_on_meta("mobile-parsing-b").state_dict()
    published = {key: draw_weights(key, tuple(own[name].shape)) for key, name in list_mobile_names().items()}
    extra = {name.replace(".weight", ".eps"): torch.tensor(1e-4) for name in published if "fuse_" in name}
    extra |= {name: torch.zeros(3) for name in ("pixel_mean", "pixel_std")}
    path = tmp_path / "model.pth"
    network = make_densepose(NETWORKS["mobile-parsing-b"]).eval()
    torch.save({"model": published | extra, "iteration": 389_999}, path)
    network.load_state_dict(import_checkpoint(path, lambda _: network))
    found = run_parts(network)
    assert found.keys() == OUTPUTS.keys()
    for name, (shape, mean, values) in OUTPUTS.items():
        assert tuple(found[name].shape) == shape, name
        assert found[name].mean().item() == pytest.approx(mean, abs=1e-6), name
        assert found[name].flatten()[list(values)].tolist() == pytest.approx(list(values.values()), abs=2e-6), (
            name
        )
    torch.save({"model": published | {"backbone.fuse_p2_out.eps": torch.tensor(1e-3)}}, path)
    with pytest.raises(CheckpointError, match=r"fuse_p2_out\.eps is not 0\.0001"):
        import_checkpoint(path, lambda _: network)


@torch.no_grad()
def run_parts(network):
    """The outputs of the parts by their names in the public code's case."""
    image = np.random.default_rng(IMAGE_SEED).integers(0, 256, (3, 96, 128)).astype(np.uint8)
    heads, boxes, sizes = network.roi_heads, [torch.tensor(BOXES)], [(96, 128)]
    maps = network.backbone(network.normalize(torch.from_numpy(image)[None]))
    found = {f"features_p{i}": level for i, level in enumerate(maps.values(), 2)}
    objectness, deltas = network.rpn.head(list(maps.values()))
    found |= {
        f"{name}_{i}": part[i]
        for i in (0, 4)
        for name, part in (("objectness", objectness), ("deltas", deltas))
    }
    found["box_pooled"], found["dp_pooled"] = (
        pool(maps, boxes, sizes) for pool in (heads.box_roi_pool, heads.dense_roi_pool)
    )
    logits, deltas = heads.box_predictor(heads.box_head(found["box_pooled"]))
    found |= {"class_logits": logits.flip(1), "box_deltas": deltas[:, 4:]}
    charts = heads.dense_predictor(heads.dense_head(found["dp_pooled"]))
    names = {"coarse": "coarse_segm", "fine": "fine_segm", "u": "u", "v": "v"}
    return found | {names[name]: output for name, output in charts.items()}
