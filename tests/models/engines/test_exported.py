"""Exports: what is written is what is read, and what is damaged is said."""

import io
import json
import zipfile

import pytest
import torch
from torch import nn

from models.engines.engine import EngineError
from models.engines.export import convert_part, measure_export, pack_part
from models.engines.exported import (
    FORMAT,
    RUNNERS,
    Export,
    ExportError,
    find_part,
    read_export,
    write_export,
)
from models.metadata import EXPORT_HEADER, WeightsMetadata, read_metadata

METADATA = WeightsMetadata("net", {"skeleton": "coco17"}, "made for a test", {"kind": "x"})
EXAMPLE = torch.zeros(1, 3, 8, 12, dtype=torch.uint8)


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, images):
        maps = torch.relu(self.norm(self.conv(images.float() / 255)))
        return {"maps": maps, "mean": maps.mean((2, 3))}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = Tiny().eval()
    nn.init.normal_(network.norm.running_mean, std=0.1)
    return network


@pytest.fixture(scope="module", params=RUNNERS)
def export(request, network):
    for package in ("onnxruntime", "onnx", "onnxscript") if request.param == "onnx" else ():
        pytest.importorskip(package)
    converted = convert_part(network, "net", EXAMPLE, request.param)
    return Export(request.param, "f32", METADATA, {"image": pack_part(converted, EXAMPLE, METADATA, "image")})


@pytest.fixture
def path(export, tmp_path):
    path = tmp_path / "net.zip"
    with path.open("wb") as file:
        write_export(file, export)
    return path


def test_what_is_written_is_read(export, path):
    assert read_export(path) == export
    assert read_metadata(path) == METADATA
    again = io.BytesIO()
    write_export(again, export)
    assert again.getvalue() == path.read_bytes()


def test_every_engine_of_a_kind_gives_what_torch_gives(export, path, network):
    for engine in RUNNERS[export.kind]:
        differences = measure_export(read_export(path), {"image": (network, EXAMPLE)}, engine)
        assert differences.keys() == {"image"}
        assert 0 <= differences["image"] < 1e-5


def test_files_for_other_software_say_what_they_are(export, path, tmp_path):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    if export.kind == "onnx":
        import onnx

        model = onnx.load(tmp_path / "image.onnx")
        found = {entry.key: entry.value for entry in model.metadata_props}
    else:
        from models.engines.openvino_core import import_openvino

        model = import_openvino().Core().read_model(tmp_path / "image.xml")
        found = model.get_rt_info("posetrack").value
    assert found["network"] == "net"
    assert found["part"] == "image"
    assert found["trait.skeleton"] == '"coco17"'


def test_an_engine_that_cannot_run_it_is_refused(export):
    with pytest.raises(EngineError, match=r"engine torch: cannot run the f32 export of net to \w+; use --dev"):
        export.make_engine("image", EXAMPLE, "torch", "f32")
    if export.kind == "openvino":
        with pytest.raises(EngineError, match="engine onnxruntime: cannot run"):
            export.make_engine("image", EXAMPLE, "onnxruntime", "f32")


def test_a_part_of_another_network_is_refused(export):
    engine = RUNNERS[export.kind][0]
    for part, example in (("box", EXAMPLE), ("image", EXAMPLE.float()), ("image", EXAMPLE[:, :1])):
        with pytest.raises(EngineError, match="not in this export as this version needs it; export"):
            export.make_engine(part, example, engine, "f32")


def test_damaged_files_are_said(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ExportError, match=r"cut off.*export the weights again"):
        read_export(path)
    damaged = bytearray(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.compress_size)
    damaged[largest.header_offset + 60 + largest.compress_size // 2] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(ExportError, match=r"damaged .*export the weights again"):
        read_export(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "posetrack-export/9"}, f"format is 'posetrack-export/9', not {FORMAT}; update"),
        ({"kind": "tflite"}, f"its {EXPORT_HEADER} is damaged"),
        ({"precision": 4}, f"its {EXPORT_HEADER} is damaged"),
        ({"metadata": []}, f"its {EXPORT_HEADER} is damaged"),
        ({"parts": {"image": {}}}, f"its {EXPORT_HEADER} is damaged"),
        ({"parts": {"other": {"outputs": [], "dtype": "uint8", "channels": 3}}}, "is damaged"),
    ],
)
def test_damaged_headers_are_said(export, path, change, message):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(content[EXPORT_HEADER]) | change
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (content | {EXPORT_HEADER: json.dumps(header)}).items():
            archive.writestr(name, data)
    with pytest.raises(ExportError, match=message):
        read_export(path)


def test_damaged_parts_are_said(export):
    part = export.parts["image"]
    broken = Export(
        export.kind,
        export.precision,
        export.metadata,
        {"image": type(part)(part.outputs, part.dtype, part.channels, dict.fromkeys(part.files, b"no"))},
    )
    with pytest.raises(EngineError, match=r"damaged .*export the weights again") as caught:
        broken.make_engine("image", EXAMPLE, "openvino", "f32")
    assert "\n" not in str(caught.value)


def test_names_of_parts():
    assert find_part("mobile-parsing-b", "mobile-parsing-b") == "image"
    assert find_part("mobile-parsing-b-box", "mobile-parsing-b") == "box"
