"""An exported network is run by a recipe, and finds what the weights find."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_dense_crops import SMALL as SMALL_CROPS
from made_densepose import SMALL, make_small_densepose

from models.checkpoints import write_weights
from models.densepose.crops.network import DenseCropNetwork
from models.densepose.crops.variants import NETWORKS as CROP_NETWORKS
from models.densepose.variants import NETWORKS
from models.extras import MissingPackageError
from models.metadata import WeightsMetadata
from models.training.int8 import INT8_RANGES, encode_ranges, prepare_int8, split_ranges
from posetrack.build import build_networks
from posetrack.compute import Compute
from posetrack.errors import PoseTrackError, ResultsError, VideoError, WeightsError
from posetrack.exports.export import Calibration, export_weights
from posetrack.recipe import read_recipe
from posetrack.weights.describe import describe_weights

CPU = torch.device("cpu")
CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "densepose-r50", SMALL)
    path = tmp_path / "small.safetensors"
    write_weights(path, make_small_densepose().state_dict(), WeightsMetadata("densepose-r50"))
    return path


def find_people(path, engine="openvino"):
    recipe = path.parent / "own.toml"
    recipe.write_text(
        f'[detector]\nweights = "{path.name}"\nshorter_side_px = 64\nlongest_side_px = 96\n'
        "score_threshold = 0.3\n"
    )
    networks = build_networks(read_recipe(recipe), Compute(CPU, engine, "f32"), batch_frames=1)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    (people,) = networks.detector([image])
    return people


def test_an_export_finds_what_its_weights_find(weights, tmp_path):
    out = tmp_path / "deep" / "small.zip"
    report = export_weights(str(weights), out, "openvino")
    assert report.differences.keys() == {"image", "box", "dense"}
    assert max(report.differences.values()) < 1e-4
    assert report.size_bytes == out.stat().st_size
    moved = out.rename(tmp_path / "moved.bin")
    expected, found = find_people(weights), find_people(moved)
    assert len(expected) > 0
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-2)
    assert [pose.shape for pose in found.dense] == [pose.shape for pose in expected.dense]
    with pytest.raises(PoseTrackError, match="engine torch: cannot run the f32 export of densepose-r50"):
        find_people(moved, "torch")
    with pytest.raises(WeightsError, match="is an export already"):
        export_weights(str(moved), tmp_path / "x.zip", "openvino")


def test_what_cannot_be_exported_leaves_no_file(weights, tmp_path):
    out = tmp_path / "x.zip"
    for name, message in (
        ("nothing", "neither a file nor weights that PoseTrack knows"),
        ("hrnet-w32-256x192", "not on this machine; fetch them"),
    ):
        with pytest.raises(WeightsError, match=message):
            export_weights(name, out, "openvino")
    plain = tmp_path / "plain.pth"
    torch.save({"a": torch.zeros(2)}, plain)
    with pytest.raises(WeightsError, match="says nothing of its network; import it"):
        export_weights(str(plain), out, "openvino")
    write_weights(plain.with_suffix(".safetensors"), {"a": torch.zeros(2)}, WeightsMetadata("other"))
    with pytest.raises(WeightsError, match="weights of other, which no recipe runs"):
        export_weights(str(plain.with_suffix(".safetensors")), out, "openvino")
    with pytest.raises(PoseTrackError, match="--to openvin: no such format; did you mean 'openvino'"):
        export_weights(str(weights), out, "openvin")
    assert not out.exists()
    out.write_text("mine")
    with pytest.raises(PoseTrackError, match="is there already; use --overwrite"):
        export_weights(str(weights), out, "openvino")
    with pytest.raises(ResultsError, match="is the input itself"):
        export_weights(str(weights), weights, "openvino", is_overwritten=True)
    assert out.read_text() == "mine"


def test_a_full_disk_leaves_nothing_half(weights, tmp_path, monkeypatch):
    def fail(file, export):
        if not isinstance(file, io.BytesIO):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("posetrack.exports.export.write_export", fail)
    out = tmp_path / "x.zip"
    with pytest.raises(
        ResultsError, match=r"x.zip: cannot be written: no space left on device; free some space"
    ):
        export_weights(str(weights), out, "openvino")
    assert not [path for path in tmp_path.iterdir() if "x.zip" in path.name]


def test_a_network_that_takes_boxes_is_calibrated_on_the_people_of_a_video(tmp_path, monkeypatch):
    pytest.importorskip("nncf")
    monkeypatch.setitem(CROP_NETWORKS, "thunder-densepose", SMALL_CROPS)
    torch.manual_seed(0)
    weights, out = tmp_path / "crops.safetensors", tmp_path / "crops.zip"
    write_weights(weights, DenseCropNetwork(SMALL_CROPS).state_dict(), WeightsMetadata("thunder-densepose"))
    report = export_weights(str(weights), out, "openvino", is_int8=True, calibration=Calibration(CLIP, 4))
    assert report.size_bytes < report.float_bytes / 1.5, "so small a network is mostly its graph"
    assert 0 < max(report.differences.values()) < 0.5
    recipe = tmp_path / "own.toml"
    recipe.write_text(f'[detector]\nweights = "movenet-person"\n[dense]\nweights = "{out.name}"\n')
    networks = build_networks(read_recipe(recipe), Compute(CPU, "openvino", "f32"), batch_frames=1)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    ((pose,),) = networks.dense([image], [np.array([[10, 5, 50, 60]], np.float32)])
    assert pose.shape == (55, 40, 3)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(3):
        # Images of a folder may be of several sizes.
        image = np.random.default_rng(seed).integers(0, 256, (64, 96 if seed else 80, 3), np.uint8)
        cv2.imwrite(str(folder / f"{seed}.png"), image)
    return folder


def test_int8_is_smaller_and_runs(weights, tmp_path, images):
    pytest.importorskip("nncf")
    out = tmp_path / "small.zip"
    seen = []
    report = export_weights(
        str(weights), out, "openvino", is_int8=True, calibration=Calibration(images, 2, seen.append)
    )
    assert seen == [1, 2]
    assert report.export.precision == "int8"
    assert report.size_bytes < report.float_bytes / 3
    assert 0 < max(report.differences.values()) < 0.5
    assert len(find_people(out)) > 0
    described = describe_weights(str(out))
    assert described["export"] == "to openvino, int8, parts image, box, dense"
    with pytest.raises(PoseTrackError, match="engine torch: cannot run the int8 export of densepose-r50"):
        find_people(out, "torch")


def test_what_cannot_be_calibrated_leaves_no_file(weights, tmp_path, images):
    pytest.importorskip("nncf")
    out = tmp_path / "x.zip"
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no")
    for source, message in (
        ("empty", "no images in this folder"),
        ("gone", "no such file or folder"),
        ("bad", "no image could be read"),
    ):
        with pytest.raises(VideoError, match=message):
            export_weights(
                str(weights), out, "openvino", is_int8=True, calibration=Calibration(tmp_path / source)
            )
    network = make_small_densepose()
    torch.nn.init.constant_(network.roi_heads.box_predictor.cls_score.bias, 0)
    torch.nn.init.zeros_(network.roi_heads.box_predictor.cls_score.weight)
    network.roi_heads.box_predictor.cls_score.bias.data[0] = 9.0
    blind = tmp_path / "blind.safetensors"
    write_weights(blind, network.state_dict(), WeightsMetadata("densepose-r50"))
    with pytest.raises(PoseTrackError, match="so that the network's part 'dense' cannot be"):
        export_weights(str(blind), out, "openvino", is_int8=True, calibration=Calibration(images))
    with pytest.raises(PoseTrackError, match="movenet-multipose has no int8 form, which networks have that"):
        export_weights("movenet-multipose", out, "openvino", is_int8=True, calibration=Calibration(images))
    assert not [path for path in tmp_path.iterdir() if "x.zip" in path.name]


def test_int8_without_its_package_is_one_line(weights, tmp_path, images, monkeypatch):
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingPackageError, match=r"int8: needs nncf, .* pip install 'posetrack\[int8\]'"):
        export_weights(
            str(weights), tmp_path / "x.zip", "openvino", is_int8=True, calibration=Calibration(images)
        )


def test_weights_trained_for_int8_need_no_images(weights, tmp_path):
    network = make_small_densepose()
    prepare_int8(network)
    image = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    for part in (*network.roi_heads.children(), network.rpn.head, network.backbone):
        part.train()
    with torch.no_grad():
        network(image)
    state, ranges = split_ranges(network.state_dict())
    trained, out = tmp_path / "trained.safetensors", tmp_path / "x.zip"
    metadata = WeightsMetadata("densepose-r50", notes=encode_ranges(ranges))
    write_weights(trained, state, metadata)
    assert "needs no images" in describe_weights(str(trained))["int8"]
    report = export_weights(str(trained), out, "openvino", is_int8=True)
    assert report.export.precision == "int8"
    assert report.size_bytes < report.float_bytes / 3
    assert len(find_people(out)) > 0
    other = tmp_path / "y.zip"
    with pytest.raises(PoseTrackError, match="are exported to openvino only; for --to onnx give images with"):
        export_weights(str(trained), other, "onnx", is_int8=True)
    with pytest.raises(PoseTrackError, match="was not trained for int8; give images to find its ranges with"):
        export_weights(str(weights), other, "openvino", is_int8=True)
    some = {name: value for name, value in ranges.items() if "dense_head" not in name}
    write_weights(trained, state, replace(metadata, notes=encode_ranges(some)))
    with pytest.raises(PoseTrackError, match="never ran the part 'dense', whose ranges are not known; train"):
        export_weights(str(trained), other, "openvino", is_int8=True)
    damaged = replace(metadata, notes={INT8_RANGES: '{"nowhere": [0, 1]}'})
    write_weights(trained, state, damaged)
    with pytest.raises(WeightsError, match=r"its metadata are damaged: .*nowhere"):
        export_weights(str(trained), other, "openvino", is_int8=True)
    assert not other.exists()
