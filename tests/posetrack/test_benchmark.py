import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from posetrack.benchmark import NETWORKS
from posetrack.cli.main import app

CLIP = Path(__file__).parents[2] / "docs" / "media" / "street.mp4"


def test_the_command_reports_every_recipe(tmp_path):
    out = tmp_path / "bench.json"
    options = ["--recipe", "fast", "--recipe", "default", "--frames", "8", "--repeats", "2", "--out", str(out)]
    result = CliRunner().invoke(app, ["bench", str(CLIP), *options])
    assert result.exit_code == 0, result.output
    reports = json.loads(out.read_text())
    assert list(reports) == ["fast", "default"]
    for name, report in reports.items():
        assert report["num_frames"] == 8
        assert min(report["fps"], report["networks_fps"], report["ratio"], report["warm_up_s"]) > 0
        assert 0 < report["latency_p50_ms"] <= report["latency_p95_ms"]
        assert report["peak_memory_mib"] > 50
        stages = {"decode", "detect", NETWORKS, "track", "draw", "encode", "write"}
        assert set(report["stages"]) == stages | ({"estimate"} if name == "default" else set())
        for stage in report["stages"].values():
            assert 0 <= stage["cpu_ms"] <= 1.05 * stage["wall_ms"] + 0.5
            assert stage["wall_ms"] <= report["whole"]["wall_ms"] * len(stage["threads"]) * 1.01
            assert stage["threads"]
        assert report["stages"]["encode"]["threads"] != report["stages"]["decode"]["threads"]
        own_ms = sum(stage["cpu_ms"] for stage in report["stages"].values())
        assert report["other_threads_cpu_ms"] == pytest.approx(report["whole"]["cpu_ms"] - own_ms)
        assert report["networks"]["cpu_ms"] > 0
        assert 0 < report["cpu_ratio"] < 1
        assert f"{report['machine']}, load {report['load']:.1f} before" in result.output.replace("\n", " ")
        assert re.search(
            rf"end to end +{report['whole']['wall_ms']:.1f} +{report['whole']['cpu_ms']:.1f}", result.output
        )
        assert f"{report['fps']:.1f} frames/s" in result.output


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("fast", "neither a file nor weights that PoseTrack knows"),
        ("hrnet-w32", "no.safetensors: neither a file"),
    ],
)
def test_weights_go_to_every_recipe(recipe, message):
    result = CliRunner().invoke(app, ["bench", str(CLIP), "--recipe", recipe, "--weights", "no.safetensors"])
    assert result.exit_code == 1
    assert message in str(result.exception)


def test_a_clip_that_is_not_there_is_one_line(tmp_path, capsys):
    result = CliRunner().invoke(app, ["bench", str(tmp_path / "none.mp4")])
    assert result.exit_code == 1
    assert "no such file" in str(result.exception)


def test_a_live_session_is_measured(tmp_path):
    out = tmp_path / "bench.json"
    options = ["--recipe", "fast", "--live", "--seconds", "1.5", "--out", str(out)]
    result = CliRunner().invoke(app, ["bench", str(CLIP), *options])
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())["fast"]
    assert report["seconds"] >= 1.5
    # The clip has 25 images a second; a machine that is busy plays it late.
    assert 0 < report["fps"] <= report["source_fps"] * 1.2
    assert report["source_fps"] < 40
    assert 0 <= report["dropped_fraction"] <= 1
    assert report["fps"] == pytest.approx((1 - report["dropped_fraction"]) * report["source_fps"], rel=0.3)
    assert 0 < report["latency_p50_ms"] <= report["latency_p95_ms"]
    assert set(report["stages"]) == {"detect", "track", "draw"}
    assert report["whole"]["cpu_ms"] >= sum(stage["cpu_ms"] for stage in report["stages"].values()) - 1
    assert f"{report['fps']:.1f} images/s" in result.output
    assert f"{report['machine']}, load {report['load']:.1f} before" in result.output.replace("\n", " ")


def test_a_folder_cannot_be_played_live(tmp_path):
    result = CliRunner().invoke(app, ["bench", str(tmp_path), "--live"])
    assert result.exit_code == 1
    assert "not a video file; live benchmarks play one" in str(result.exception)
