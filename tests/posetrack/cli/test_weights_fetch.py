"""`posetrack weights fetch, verify, info, list`, with one small network published in a folder."""

import pytest
import torch
from made_family import TINY
from typer.testing import CliRunner

from models.checkpoints import compute_sha256
from models.hrnet.network import PoseHRNet
from posetrack.cli.main import app
from posetrack.errors import PoseTrackError, WeightsError
from posetrack.families.table import FAMILIES, list_embedded
from posetrack.weights.published import PUBLISHED, PublishedWeights

NUM_PARAMETERS = sum(parameter.numel() for parameter in PoseHRNet(TINY, 5).parameters())


def publish(name, folder, monkeypatch):
    path = folder / f"{name}.pth"
    torch.save(PoseHRNet(TINY, 5).state_dict(), path)
    entry = PublishedWeights(
        name=name,
        kind="tiny-kind",
        file_name=path.name,
        urls=("http://127.0.0.1:9/x.pth",),
        sha256=compute_sha256(path)[:10],
        size_bytes=path.stat().st_size,
        licence="MIT",
        source="https://example.org/tiny",
        stated="AP 0.123 (nowhere)",
        num_keypoints=5,
        terms="not to be sold" if name == "tiny" else "",
    )
    monkeypatch.setitem(PUBLISHED, name, entry)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("POSETRACK_MIRROR", raising=False)
    for name in list(PUBLISHED):
        monkeypatch.delitem(PUBLISHED, name)
    monkeypatch.setitem(FAMILIES, "made", "made_family")
    publish("tiny", tmp_path, monkeypatch)
    publish("other", tmp_path, monkeypatch)
    return tmp_path / "cache" / "weights"


def run(*arguments):
    return CliRunner().invoke(app, ["weights", *map(str, arguments)], catch_exceptions=False)


def test_fetched_weights_are_listed_described_and_verified(cache, tmp_path):
    listed = run("list").output
    assert "tiny                             not here  MIT         AP 0.123 (nowhere)" in listed
    info = run("info", "tiny").output
    assert "... (more digits are not published)" in info
    assert "no; `posetrack weights fetch tiny`" in info

    result = run("fetch", "tiny", "--mirror", tmp_path)
    assert result.exit_code == 0
    assert result.stdout == f"tiny: {cache / 'tiny.safetensors'}\n"
    assert result.stderr == "tiny: licence MIT; not to be sold\n"

    listed = run("list").output
    assert "tiny                             fetched" in listed
    assert "other                            not here" in listed
    info = " ".join(run("info", "tiny").output.split())
    source = tmp_path / "tiny.pth"
    for text in (
        "kind tiny-kind",
        f"parameters {NUM_PARAMETERS / 1e6:.2f} M",
        "keypoints 5",
        "licence MIT",
        "terms not to be sold",
        "source https://example.org/tiny",
        f"its sha256 {compute_sha256(source)}",
        f"here {cache / 'tiny.safetensors'}",
        f" sha256 {compute_sha256(cache / 'tiny.safetensors')}",
        f"from {source.as_uri()}",
        "stated AP 0.123 (nowhere)",
    ):
        assert text in info
    verified = run("verify")
    assert verified.exit_code == 0
    assert [line.split()[:2] for line in verified.output.splitlines()] == [
        [name, "ok"] for name in [*list_embedded(), "tiny"]
    ]


def test_the_mirror_of_the_environment_serves_all(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_MIRROR", tmp_path.as_uri())
    assert run("fetch", "--all").exit_code == 0
    assert {path.stem for path in cache.glob("*.safetensors")} == {"tiny", "other"}


def test_one_that_cannot_be_fetched_does_not_keep_the_others(cache, tmp_path):
    (tmp_path / "tiny.pth").unlink()
    result = run("fetch", "tiny", "other", "--mirror", tmp_path)
    assert result.exit_code == 1
    licence, line, other = result.stderr.splitlines()
    assert (licence, other) == ("tiny: licence MIT; not to be sold", "other: licence MIT")
    missing = tmp_path / "tiny.pth"
    assert line.startswith(f"posetrack: tiny: not fetched: {missing}: No such file or directory; ")
    assert "download http://127.0.0.1:9/x.pth elsewhere" in line
    assert (cache / "other.safetensors").is_file()


def test_what_is_damaged_or_named_and_missing_fails_verification(cache, tmp_path):
    run("fetch", "tiny", "--mirror", tmp_path)
    (cache / "tiny.safetensors").write_bytes(b"no")
    for arguments, name, text in (
        ([], "tiny", "damaged; fetch them again"),
        (["tiny"], "tiny", "damaged; fetch them again"),
        (["other"], "other", "not on this machine"),
        (["movenet-multipos"], "movenet-multipos", "did you mean 'movenet-multipose'?"),
    ):
        result = run("verify", *arguments)
        assert result.exit_code == 1
        last = result.output.splitlines()[-1]
        assert last.split()[:2] == [name, "problem"]
        assert text in last
    assert run("verify", "movenet-multipose").exit_code == 0


def test_embedded_weights_and_files_are_described(cache, tmp_path):
    output = run("info", "movenet-multipose").output
    assert list_embedded()["movenet-multipose"] in output
    assert "Apache-2.0" in output
    assert "**Meant for**" in output
    assert "published as     tiny" in run("info", tmp_path / "tiny.pth").output
    out = tmp_path / "own.safetensors"
    run("import", tmp_path / "tiny.pth", "--as", "tiny-kind", "--out", out)
    output = run("info", out).output
    assert f"sha256           {compute_sha256(out)}" in output
    assert "kind             tiny-kind" in output
    assert "outputs          5" in output
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match="not readable as safetensors"):
        run("info", tmp_path / "bad.safetensors")
    with pytest.raises(WeightsError, match="neither a file nor weights"):
        run("info", "nothing")


@pytest.mark.parametrize("arguments", [[], ["tiny", "--all"]])
def test_fetch_wants_names_or_all(cache, arguments):
    with pytest.raises(PoseTrackError, match="give names, or --all"):
        run("fetch", *arguments)
