"""What `auto` means, and what is refused."""

import pytest
import torch

from models.engines import choice
from models.engines.choice import INSTALL, MIXED, PRECISIONS, choose_engine, choose_for_network
from models.engines.engine import EngineError
from models.engines.make import ENGINES

CPU = torch.device("cpu")
CUDA = torch.device("cuda:0")


def set_installed(monkeypatch, *names: str) -> None:
    monkeypatch.setattr(choice, "is_installed", lambda name: name in names)


def test_the_tables_name_the_same_engines():
    assert set(ENGINES) == set(INSTALL)


def test_auto(monkeypatch):
    set_installed(monkeypatch, "torch", "openvino")
    monkeypatch.setattr(choice, "list_precisions", lambda *_: PRECISIONS)
    monkeypatch.setattr(choice, "multiplies_bf16", lambda: False)
    chosen = choose_engine("auto", "auto", CPU)
    assert (chosen.engine, chosen.precision) == ("openvino", "f32")
    assert "openvino is the fastest on CPUs" in chosen.reason
    chosen = choose_engine("auto", "auto", CUDA)
    assert (chosen.engine, chosen.precision) == ("torch", "fp16")
    set_installed(monkeypatch, "torch")
    chosen = choose_engine("auto", "auto", CPU)
    assert (chosen.engine, chosen.precision) == ("torch", "f32")
    assert "openvino is not installed" in chosen.reason


def test_auto_is_mixed_where_a_cpu_multiplies_bf16(monkeypatch):
    set_installed(monkeypatch, "torch", "openvino", "onnxruntime")
    monkeypatch.setattr(choice, "list_precisions", lambda *_: PRECISIONS)
    monkeypatch.setattr(choice, "multiplies_bf16", lambda: True)
    chosen = choose_engine("auto", "auto", CPU)
    assert (chosen.engine, chosen.precision) == ("openvino", MIXED)
    assert "for movenet-person and thunder-heatmaps, which it hardly changes; f32 for others" in chosen.reason
    assert [choose_engine(engine, "auto", CPU).precision for engine in ("torch", "onnxruntime")] == [
        "f32",
        "f32",
    ]
    monkeypatch.setattr(choice, "list_precisions", lambda *_: ("f32",))
    assert choose_engine("auto", "auto", CPU).precision == "f32"


def test_mixed_is_bf16_for_the_networks_that_it_hardly_changes():
    assert choose_for_network(MIXED, "thunder-heatmaps") == "bf16"
    # Its second stage has a name of its own.
    assert choose_for_network(MIXED, "movenet-person-box") == "bf16"
    assert choose_for_network(MIXED, "movenet-multitask-box") == "f32"
    assert choose_for_network(MIXED, "movenet-multipose") == "f32"
    assert [choose_for_network(each, "thunder-heatmaps") for each in ("f32", "bf16", "fp16")] == [
        "f32",
        "bf16",
        "fp16",
    ]


def test_what_is_asked_for_is_kept():
    chosen = choose_engine("torch", "bf16", CPU)
    assert (chosen.engine, chosen.precision) == ("torch", "bf16")
    assert chosen.reason == "torch as asked for; bf16 as asked for"


@pytest.mark.parametrize(
    ("engine", "precision", "device", "message"),
    [
        ("openvin", "auto", CPU, r"engine openvin: unknown; did you mean 'openvino'\?"),
        ("xyz", "auto", CPU, "known: auto, torch, openvino, onnxruntime"),
        ("torch", "f16", CPU, "precision f16: unknown; did you mean 'bf16'|'fp16'"),
        ("torch", "fp16", CPU, "does not have it on this cpu; use --precision f32 or bf16"),
        ("onnxruntime", "auto", CPU, r"not installed; pip install 'posetrack\[onnx\]', or use --engine torch"),
        ("openvino", "auto", CUDA, "runs on CPUs, not on cuda:0; use --engine torch or --device cpu"),
    ],
)
def test_what_cannot_be_done_is_one_line(engine, precision, device, message, monkeypatch):
    set_installed(monkeypatch, "torch", "openvino")
    with pytest.raises(EngineError, match=message) as caught:
        choose_engine(engine, precision, device)
    assert "\n" not in str(caught.value)


def test_a_precision_that_the_cpu_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(choice, "list_precisions", lambda *_: ("f32",))
    with pytest.raises(EngineError, match="precision bf16: engine openvino does not have it on this cpu; use"):
        choose_engine("openvino", "bf16", CPU)
