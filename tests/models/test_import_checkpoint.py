"""Published checkpoints become weights of ours, and nothing else in them does anything."""

import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from models.backbones.variants import HRNetConfig, ResNetConfig
from models.checkpoints import CheckpointError, import_checkpoint, load_checkpoint, write_weights
from models.hrnet.network import ClassificationHRNet, PoseHRNet, SimpleBaseline
from models.metadata import WeightsMetadata, read_metadata
from models.rcnn.network import make_rcnn
from models.rcnn.variants import FASTER_RCNN, KEYPOINT_RCNN, MASK_RCNN
from models.swahr.network import HigherHRNet

TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)
TINY_RESNET = ResNetConfig(depths=(1, 1, 1, 1), width=4)


MAKERS = {
    "tiny": lambda count: PoseHRNet(TINY, count),
    "tiny-imagenet": lambda count: ClassificationHRNet(TINY, count),
    "tiny-baseline": lambda count: SimpleBaseline(TINY_RESNET, count),
    "tiny-higher": lambda count: HigherHRNet(TINY, count),
    "tiny-swahr": lambda count: HigherHRNet(TINY, count, has_scale_maps=True),
    "faster-rcnn": lambda count: make_rcnn(FASTER_RCNN),
    "mask-rcnn": lambda count: make_rcnn(MASK_RCNN),
    "keypoint-rcnn": lambda count: make_rcnn(KEYPOINT_RCNN),
}


@pytest.fixture(scope="module")
def state():
    return PoseHRNet(TINY, 5).state_dict()


def save(content, path):
    torch.save(content, path)
    return path


def rename_as_mmpose(state, head):
    return {
        f"{head}{key}" if key.startswith(("final", "deconv")) else f"backbone.{key}": state[key]
        for key in state
    }


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: OrderedDict((f"module.{key}", tensor) for key, tensor in state.items()),
        lambda state: {"epoch": 210, "model": "pose_hrnet", "state_dict": state, "perf": 0.744},
        lambda state: {"model": {f"module.{key}": tensor for key, tensor in state.items()}},
        lambda state: {"meta": {"epoch": 210}, "state_dict": rename_as_mmpose(state, "keypoint_head.")},
        lambda state: {"state_dict": rename_as_mmpose(state, "head.")},
        lambda state: {key: tensor for key, tensor in state.items() if "num_batches" not in key},
    ],
    ids=["plain", "parallel", "training", "model", "mmpose", "mmpose-1", "old-pytorch"],
)
def test_wrapped_weights_are_found_and_renamed(tmp_path, state, wrap):
    imported = import_checkpoint(save(wrap(state), tmp_path / "w.pth"), MAKERS["tiny"])
    assert imported.keys() == state.keys()
    assert all(torch.equal(imported[key], state[key]) for key in state)


def test_the_format_before_zip_files_is_read(tmp_path, state):
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert import_checkpoint(tmp_path / "w.pth", MAKERS["tiny"]).keys() == state.keys()


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("tiny-imagenet", lambda: ClassificationHRNet(TINY, 10)),
        ("tiny-baseline", lambda: SimpleBaseline(TINY_RESNET, 16)),
        ("tiny-higher", lambda: HigherHRNet(TINY, 14)),
        ("tiny-swahr", lambda: HigherHRNet(TINY, 14, has_scale_maps=True)),
    ],
)
def test_other_kinds_are_imported_for_any_number_of_outputs(tmp_path, kind, make):
    network = make()
    state = import_checkpoint(save(network.state_dict(), tmp_path / "w.pth"), MAKERS[kind])
    assert state.keys() == network.state_dict().keys()


@pytest.mark.parametrize(
    ("has_scale_maps", "wrap"),
    [
        (True, lambda state: {"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}}),
        (False, lambda state: {f"1.{key}": tensor for key, tensor in state.items()}),
        (False, lambda state: {"state_dict": {f"module.1.{key}": tensor for key, tensor in state.items()}}),
        (False, lambda state: {"meta": {}, "state_dict": rename_as_mmpose(state, "keypoint_head.")}),
    ],
    ids=["parallel", "half", "half-parallel", "mmpose"],
)
def test_bottom_up_weights_are_found_and_renamed(tmp_path, has_scale_maps, wrap):
    state = HigherHRNet(TINY, 5, has_scale_maps).state_dict()
    kind = "tiny-swahr" if has_scale_maps else "tiny-higher"
    imported = import_checkpoint(save(wrap(state), tmp_path / "w.pth"), MAKERS[kind])
    assert imported.keys() == state.keys()
    assert all(torch.equal(imported[key], state[key]) for key in state)


def test_weights_written_load_strictly(tmp_path, state):
    metadata = WeightsMetadata(
        "tiny", {"width_px": 64, "coding": "dark", "sigma_cells": 2.0}, "by a test", {"kind": "t"}
    )
    write_weights(tmp_path / "w.safetensors", state, metadata)
    network = PoseHRNet(TINY, 5)
    load_checkpoint(network, tmp_path / "w.safetensors")
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())
    assert read_metadata(tmp_path / "w.safetensors") == metadata
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv2.weight"), "does not fit the network: missing conv2.weight$"),
        (lambda state: state.update(extra=torch.zeros(1)), "unexpected extra$"),
        (lambda state: state.pop("final_layer.weight"), "missing final_layer.weight"),
        (
            lambda state: state.update({"conv1.weight": torch.zeros(8, 3, 7, 7)}),
            r"conv1.weight: shape \(8, 3, 7, 7\), expected \(8, 3, 3, 3\)",
        ),
        (lambda state: state.update(perf=0.7), "'perf' is no tensor but a float"),
        (lambda state: state.update({"module.conv1.weight": torch.zeros(1)}), "holds conv1.weight twice"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path, state, change, message):
    state = dict(state)
    change(state)
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(save(state, tmp_path / "w.pth"), MAKERS["tiny"])


def test_another_network_is_refused_with_the_first_keys(tmp_path):
    path = save(SimpleBaseline(TINY_RESNET, 5).state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"missing conv2.weight; missing bn2.weight; .* and \d+ more"):
        import_checkpoint(path, MAKERS["tiny"])


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize(
    "content", [b"", b"root:x:0:0:root:/root:/bin/bash\n", b"\x80\x02]q\x00(K\x01", b"PK\x03\x04"]
)
def test_what_is_no_checkpoint_is_one_line(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"w\.pth: no PyTorch file"):
        import_checkpoint(tmp_path / "w.pth", lambda _: None)


@pytest.mark.parametrize("how", ["torch", "old", "pickle"])
def test_code_in_a_file_is_not_run(tmp_path, state, how):
    content = {"state_dict": state, "trap": Trap(tmp_path / "sprung")}
    path = tmp_path / "w.pth"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(CheckpointError, match="nothing else is read"):
        import_checkpoint(path, MAKERS["tiny"])
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04broken"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"w\.pth: no PyTorch file"):
        import_checkpoint(tmp_path / "w.pth", MAKERS["tiny"])


def test_a_missing_file_and_an_empty_one_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"w\.pth: not readable \(No such file"):
        import_checkpoint(tmp_path / "w.pth", MAKERS["tiny"])
    with pytest.raises(CheckpointError, match="holds no weights by name"):
        import_checkpoint(save([torch.zeros(1)], tmp_path / "list.pth"), MAKERS["tiny"])


@pytest.mark.parametrize("kind", ["faster-rcnn", "mask-rcnn", "keypoint-rcnn"])
def test_torchvision_files_have_names_of_before_convolutions_were_blocks(tmp_path, kind):
    with torch.device("meta"):
        own = MAKERS[kind](1).state_dict()
    published = {}
    for number, name in enumerate(own):
        old = name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        old = re.sub(r"(fpn\.\w+_blocks\.\d)\.0\.", r"\1.", old)
        old = re.sub(r"mask_head\.(\d)\.0\.", lambda match: f"mask_head.mask_fcn{int(match[1]) + 1}.", old)
        # One number in each: which one it was is seen, and the file stays small.
        published[old] = torch.tensor(float(number)).expand(own[name].shape)
    path = tmp_path / "published.pth"
    torch.save(published, path)
    state = import_checkpoint(path, MAKERS[kind])
    assert list(state) == list(own)
    assert [tensor.flatten()[0].item() for tensor in state.values()] == list(range(len(own)))
    del published["rpn.head.conv.weight"]
    torch.save(published, path)
    with pytest.raises(CheckpointError, match=r"missing rpn\.head\.conv\.0\.0\.weight"):
        import_checkpoint(path, MAKERS[kind])


def test_a_file_that_holds_itself_ends(tmp_path):
    content = {}
    content["model"] = content
    torch.save(content, tmp_path / "cycle.pth")
    with pytest.raises(CheckpointError, match="holds no weights by name"):
        import_checkpoint(tmp_path / "cycle.pth", MAKERS["tiny"])


def test_weights_that_are_no_numbers_are_damaged(state, tmp_path):
    state = {key: tensor.clone() for key, tensor in state.items()}
    state["final_layer.bias"][1] = torch.nan
    path = save(state, tmp_path / "nan.pth")
    with pytest.raises(CheckpointError, match=r"damaged: final_layer\.bias: NaN or infinite"):
        import_checkpoint(path, MAKERS["tiny"])


class Stranger:
    pass


def test_pickles_of_arrays_are_read_and_nothing_else_in_them_is_made(tmp_path):
    path = tmp_path / "model_final.pkl"
    arrays = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.ones(2, np.float32)}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "somebody"}))
    state = import_checkpoint(path, lambda _: nn.Linear(3, 2))
    assert {name: value.tolist() for name, value in state.items()} == {
        name: value.tolist() for name, value in arrays.items()
    }
    for content in ({"model": {"weight": Stranger()}}, Stranger()):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(CheckpointError, match=r"model_final\.pkl: .*Stranger"):
            import_checkpoint(path, lambda _: nn.Linear(3, 2))
    for content, message in (({"model": {"weight": "x"}}, "is no tensor"), ([1], "holds no weights by name")):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(CheckpointError, match=message):
            import_checkpoint(path, lambda _: nn.Linear(3, 2))
    path.write_bytes(pickle.dumps({"model": {1: np.ones(1)}}))
    with pytest.raises(CheckpointError, match="1 is no name of weights"):
        import_checkpoint(path, lambda _: nn.Linear(3, 2))
    path.write_bytes(b"\x80\x04\x95nonsense")
    with pytest.raises(CheckpointError, match=r"model_final\.pkl"):
        import_checkpoint(path, lambda _: nn.Linear(3, 2))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "<i4", "bool", np.longdouble])
def test_arrays_of_any_precision_become_tensors_of_32_bits_at_most(tmp_path, dtype):
    path = tmp_path / "model_final.pkl"
    weight = np.asfortranarray(np.arange(6).reshape(2, 3) % 2, dtype=dtype)
    path.write_bytes(
        pickle.dumps({"model": {"weight": weight, "bias": np.ones(2)}, "matching_heuristics": True})
    )
    state = import_checkpoint(path, lambda _: nn.Linear(3, 2))
    assert state["weight"].tolist() == weight.tolist()
    assert state["bias"].dtype == torch.float32
    assert not state["weight"].is_floating_point() or state["weight"].itemsize <= 4


def test_numbers_too_large_for_32_bits_are_damage(tmp_path):
    path = tmp_path / "model_final.pkl"
    path.write_bytes(pickle.dumps({"model": {"weight": np.full((2, 3), 1e300), "bias": np.ones(2)}}))
    with pytest.raises(CheckpointError, match="damaged: weight: NaN or infinite"):
        import_checkpoint(path, lambda _: nn.Linear(3, 2))


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04broken", b"", pickle.dumps({"model": {"weight": np.ones(9)}})[:-9]]
)
def test_pickles_that_are_none_or_cut_are_one_line(tmp_path, content):
    path = tmp_path / "model_final.pkl"
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"model_final\.pkl: (a zip file; .*\.pth|not a pickle, or damaged)"
    ):
        import_checkpoint(path, lambda _: nn.Linear(3, 2))
