"""`posetrack eval mot`: what it prints and writes, and how it refuses."""

import json
import sys

import pytest
from reference.evaluation_mot import write_lines, write_random_case

from posetrack.cli.main import main
from posetrack.evaluation.mot.evaluate import evaluate_mot
from posetrack.evaluation.mot.pairs import pair_sequences


def run_cli(*arguments: object) -> int:
    """Run `posetrack eval mot ARGUMENTS` in this process; returns the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["posetrack", "eval", "mot", *map(str, arguments)])
        try:
            main()
        except SystemExit as done:
            return done.code if isinstance(done.code, int) else int(done.code is not None)
    return 0


def test_tables_and_numbers_of_several_sequences(tmp_path, capsys):
    for seed in (0, 4):
        write_random_case(tmp_path, seed)
    gt, pred, out = tmp_path / "gt", tmp_path / "pred", tmp_path / "new" / "metrics.json"
    assert run_cli("--gt", gt, "--pred", pred, "--iou", 0.4, "--out", out) == 0
    evaluation = evaluate_mot(pair_sequences(gt, pred), min_iou=0.4)
    fields = json.loads(out.read_text())
    assert fields.pop("sequences") == {name: each.to_dict() for name, each in evaluation.per_sequence.items()}
    assert fields == {"iou": 0.4, **evaluation.pooled.to_dict()}
    assert evaluation.pooled.mota != evaluate_mot(pair_sequences(gt, pred)).pooled.mota
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert max(map(len, lines)) <= 80
    for name, metrics in (*evaluation.per_sequence.items(), ("pooled", evaluation.pooled)):
        percent, counts = (line.split() for line in lines if line.split()[:1] == [name])
        values = (metrics.mota, metrics.idf1, metrics.hota, metrics.deta, metrics.assa, metrics.motp)
        assert percent[1:7] == [f"{100 * value:.1f}" for value in values]
        assert counts[1:] == [
            str(value)
            for value in (
                metrics.switches, metrics.ids, metrics.short_ids, metrics.people, metrics.false_positives,
                metrics.misses,
            )
        ]  # fmt: skip


def test_one_pair_of_files(tmp_path, capsys):
    lines = [f"{frame},1,10,20,30,60" for frame in range(1, 11)]
    gt, pred = write_lines(tmp_path / "gt.txt", lines), write_lines(tmp_path / "mot.txt", lines[:5])
    assert run_cli("--gt", gt, "--pred", pred) == 0
    printed = capsys.readouterr().out
    assert "pooled" not in printed
    assert f"{tmp_path.name}" in printed.replace("\n", "")
    assert "50.0" in printed


def test_undefined_is_null(tmp_path, capsys):
    gt = write_lines(tmp_path / "gt.txt", ["1,1,10,20,30,60"])
    pred, out = write_lines(tmp_path / "mot.txt", []), tmp_path / "metrics.json"
    assert run_cli("--gt", gt, "--pred", pred, "--out", out) == 0
    assert json.loads(out.read_text())["motp"] is None
    assert " - " in capsys.readouterr().out


def check_refusal(capsys, *fragments):
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("posetrack: ")
    assert printed.err.count("\n") == 1
    for fragment in fragments:
        assert fragment in printed.err


def test_refuses_malformed_files(tmp_path, capsys):
    good = write_lines(tmp_path / "good.txt", ["1,1,10,20,30,60"])
    bad = write_lines(tmp_path / "bad.txt", ["1,1,10,20,30,60", "1,2,10"])
    assert run_cli("--gt", good, "--pred", bad) == 1
    check_refusal(capsys, f"{bad}: line 2: 3 columns; expected 6 to 10")
    assert run_cli("--gt", bad, "--pred", good) == 1
    check_refusal(capsys, f"{bad}: line 2: 3 columns; expected 6 to 10")
    assert run_cli("--gt", good, "--pred", tmp_path / "no.txt") == 1
    check_refusal(capsys, "no.txt: no such file or folder")
    assert run_cli("--gt", good, "--pred", good, "--iou", 0) == 2


def test_without_motmetrics_it_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "motmetrics", None)
    assert run_cli("--gt", tmp_path, "--pred", tmp_path) == 1
    check_refusal(capsys, "eval mot: needs motmetrics, which is not installed; pip install 'posetrack[mot]'")
