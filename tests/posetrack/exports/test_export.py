"""An exported network is run by a recipe, and finds what the weights find."""

import numpy as np
import pytest
import torch
from made_densepose import SMALL, make_small_densepose

from models.checkpoints import write_weights
from models.densepose.variants import NETWORKS
from models.metadata import WeightsMetadata
from posetrack.build import build_networks
from posetrack.compute import Compute
from posetrack.errors import PoseTrackError, ResultsError, WeightsError
from posetrack.exports.export import export_weights
from posetrack.recipe import read_recipe

CPU = torch.device("cpu")


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
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("posetrack.exports.export.write_export", fail)
    out = tmp_path / "x.zip"
    with pytest.raises(
        ResultsError, match=r"x.zip: cannot be written: no space left on device; free some space"
    ):
        export_weights(str(weights), out, "openvino")
    assert not [path for path in tmp_path.iterdir() if "x.zip" in path.name]
