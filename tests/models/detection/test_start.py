from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from reference.rcnn_scene import DETECTOR, POSED_DETECTOR, shrink
from safetensors.torch import load_file, save_file
from torchvision.models import resnet18

import models
from models.densepose.network import make_densepose
from models.densepose.variants import MOBILE_PARSING_B
from models.detection.start import load_start
from models.rcnn.network import make_rcnn
from models.rcnn.variants import FULL, MOVENET_DETECTOR
from models.training.errors import TrainingError
from models.training.freeze import freeze_body


def test_a_resnet_body_takes_imagenet_weights(tmp_path):
    source = resnet18(weights=None)
    path = tmp_path / "resnet18.safetensors"
    save_file(source.state_dict(), path)
    network = make_rcnn(shrink(FULL))
    assert not load_start(network, path)
    body = network.backbone.body
    assert torch.equal(body.layer4[0].conv1.weight, source.layer4[0].conv1.weight)
    freeze_body(body, stages=2, is_batch_norm_frozen=False)
    learning = {name.split(".")[0] for name, value in body.named_parameters() if value.requires_grad}
    assert learning == {"layer2", "layer3", "layer4"}
    whole = tmp_path / "whole.safetensors"
    save_file(network.state_dict(), whole)
    again = make_rcnn(shrink(FULL))
    load_start(again, whole)
    for name, value in again.state_dict().items():
        assert torch.equal(value, network.state_dict()[name])


def test_a_keypoint_head_is_added_to_a_detector(tmp_path):
    found = make_rcnn(DETECTOR)
    path = tmp_path / "detector.safetensors"
    save_file(found.state_dict(), path)
    network = make_rcnn(POSED_DETECTOR)
    head = network.roi_heads.keypoint_head[0].weight.clone()
    heads = ("roi_heads.keypoint_head.", "roi_heads.keypoint_predictor.")
    assert load_start(network, path, heads)
    assert torch.equal(network.rpn.head.cls_logits.weight, found.rpn.head.cls_logits.weight)
    assert torch.equal(network.roi_heads.keypoint_head[0].weight, head)
    with pytest.raises(TrainingError, match="does not fit"):
        load_start(network, path)
    with pytest.raises(TrainingError, match="does not fit"):
        load_start(make_rcnn(replace(DETECTOR, box_width=8)), path)


def test_movenets_body_takes_movenets_weights():
    network = make_rcnn(shrink(MOVENET_DETECTOR))
    weights = Path(models.__file__).parent / "weights" / "movenet-multipose.safetensors"
    load_start(network, weights)
    body = network.backbone.body
    assert torch.equal(body.backbone.stem.bias, load_file(weights)["backbone.stem.bias"].float())
    freeze_body(body, stages=11)
    learning = {name for name, value in body.named_parameters() if value.requires_grad}
    assert {name for name in learning if name.startswith(("backbone.stem", "backbone.blocks.9."))} == set()
    assert {"backbone.blocks.10.project.weight", "pyramid.top.weight"} <= learning


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.pth", None, "no such weights"),
        ("bad.safetensors", b"nonsense", "cannot be read"),
        ("other.safetensors", {"layer9.weight": torch.zeros(2)}, "does not fit"),
        ("backbone.safetensors", {"backbone.body.x": torch.zeros(2)}, "does not fit"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        save_file(content, path)
    with pytest.raises(TrainingError, match=message):
        load_start(make_rcnn(DETECTOR), path)


def test_a_mobile_body_takes_timms_weights(tmp_path):
    with torch.device("meta"):
        network = make_densepose(MOBILE_PARSING_B)
    network.to_empty(device="cpu")
    source = timm.create_model("spnasnet_100").state_dict()
    path = tmp_path / "timm.safetensors"
    save_file(source, path)
    assert not load_start(network, path)
    for name, value in network.backbone.body.network.state_dict().items():
        assert torch.equal(value, source[name]), name
    save_file(network.backbone.body.state_dict(), path)
    assert not load_start(network, path)
    del source["blocks.0.0.bn1.bias"]
    save_file(source, path)
    with pytest.raises(TrainingError, match=r"does not fit the network: missing blocks\.0\.0\.bn1\.bias$"):
        load_start(network, path)
    for damaged in (b"", b"garbage"):
        (tmp_path / "timm.pth").write_bytes(damaged)
        with pytest.raises(TrainingError, match=r"timm\.pth: no PyTorch file of tensors only"):
            load_start(network, tmp_path / "timm.pth")
