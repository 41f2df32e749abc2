import pytest
import torch
from made_family import TINY
from safetensors.torch import load_file
from typer.testing import CliRunner

from models import checkpoints
from models.densepose.network import make_densepose
from models.densepose.variants import NETWORKS
from models.detectron2_names import find_published_name
from models.hrnet.network import PoseHRNet
from models.metadata import find_embedded, read_metadata
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError, WeightsError
from posetrack.families.table import FAMILIES, list_embedded, list_importable


@pytest.fixture
def published(tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, "made", "made_family")
    path = tmp_path / "published.pth"
    torch.save({"state_dict": PoseHRNet(TINY, 5).state_dict()}, path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["weights", *map(str, arguments)], catch_exceptions=False)


def test_published_weights_are_imported(tmp_path, published):
    out = tmp_path / "own.safetensors"
    result = run("import", published, "--as", "tiny-kind", "--out", out)
    assert result.exit_code == 0
    assert "tiny-kind, 5 keypoints" in result.output
    assert checkpoints.compute_sha256(out) in result.output
    assert load_file(out).keys() == PoseHRNet(TINY, 5).state_dict().keys()
    assert read_metadata(out).network == "tiny"
    assert read_metadata(out).notes["source"] == "published.pth"
    with pytest.raises(
        PoseTrackError, match="--kind tiny-kint: not a kind that can be imported; did you mean 'tiny-kind'"
    ):
        run("import", published, "--kind", "tiny-kint", "--out", tmp_path / "x.safetensors")


def test_weights_that_are_there_are_kept_unless_told(tmp_path, published):
    out = tmp_path / "own.safetensors"
    out.write_text("mine")
    with pytest.raises(PoseTrackError, match="is there already; use --overwrite"):
        run("import", published, "--as", "tiny-kind", "--out", out)
    assert out.read_text() == "mine"
    assert run("import", published, "--as", "tiny-kind", "--out", out, "--overwrite").exit_code == 0
    assert "conv1.weight" in load_file(out)
    before = out.read_bytes()
    with pytest.raises(PoseTrackError, match="is the input itself; use another --out"):
        run("import", out, "--as", "tiny-kind", "--out", out, "--overwrite")
    assert out.read_bytes() == before


def test_what_cannot_be_imported_leaves_no_file(tmp_path, published):
    out = tmp_path / "own.safetensors"
    with pytest.raises(WeightsError, match=r"does not fit the network: .* and \d+ more"):
        run("import", published, "--as", "hrnet-w18-256x192", "--out", out)
    with pytest.raises(WeightsError, match=r"not readable \(Is a directory\)"):
        run("import", tmp_path, "--kind", "tiny-kind", "--out", out)
    with pytest.raises(PoseTrackError, match=r"ends in \.safetensors"):
        run("import", published, "--as", "tiny-kind", "--out", tmp_path / "own.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["published.pth"]


def test_weights_of_another_kind_say_which(tmp_path, published):
    out = tmp_path / "own.safetensors"
    names = "they are those of tiny with 5 keypoints or classes; use --kind tiny-kind$"
    with pytest.raises(WeightsError, match=names):
        run("import", published, "--kind", "hrnet-w18-256x192", "--out", out)
    state = make_densepose(NETWORKS["densepose-r50-dl-wc1"]).state_dict()
    path = tmp_path / "model_final.pth"
    torch.save({find_published_name(name): torch.zeros(1).expand(state[name].shape) for name in state}, path)
    names = r"unexpected roi_heads\.densepose_predictor\.sigma_2_lowres\.weight; .* they are those of "
    with pytest.raises(WeightsError, match=f"{names}densepose-r50-dl-wc1; use --kind densepose-r50-dl-wc1$"):
        run("import", path, "--kind", "densepose-r50-dl", "--out", out)
    result = run("import", path, "--kind", "densepose-r50-dl-wc1", "--out", out)
    assert "densepose-r50-dl-wc1, 66.4 M numbers" in result.output
    assert read_metadata(out).network == "densepose-r50-dl-wc1"


def test_the_mobile_network_is_imported_and_found(tmp_path):
    """Each weight is one number, repeated, which makes the file small."""
    state = make_densepose(NETWORKS["mobile-parsing-b"]).state_dict()
    path, out = tmp_path / "model.pth", tmp_path / "own.safetensors"
    weights = {find_published_name(name): torch.zeros(()).expand(state[name].shape) for name in state}
    torch.save({"model": weights, "iteration": 3}, path)
    with pytest.raises(WeightsError, match=r"they are those of mobile-parsing-b; use --kind mobile-parsing-b$"):
        run("import", path, "--kind", "densepose-r50", "--out", out)
    result = run("import", path, "--kind", "mobile-parsing-b", "--out", out)
    assert "mobile-parsing-b, 3.4 M numbers" in result.output
    assert read_metadata(out).network == "mobile-parsing-b"


def test_own_weights_need_no_import(tmp_path, published):
    own = find_embedded("thunder-heatmaps-256x192")
    with pytest.raises(PoseTrackError, match=r"has metadata of PoseTrack already \(thunder-heatmaps\)"):
        run("import", own, "--as", "tiny-kind", "--out", tmp_path / "own.safetensors")


def test_weights_are_listed():
    output = run("list").output
    assert all(name in output for name in list_embedded())
    assert all(kind in output for kind in list_importable())
