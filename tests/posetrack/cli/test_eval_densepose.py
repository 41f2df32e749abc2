"""`posetrack eval densepose` from files to tables, JSON and plots."""

import json
import sys

import numpy as np
import pytest
from made_scripts import load_script

from posetrack.cli.main import main


def run_cli(*arguments: object) -> int:
    """Run `posetrack ARGUMENTS` in this process; returns the exit code."""
    before = sys.argv
    sys.argv = ["posetrack", *map(str, arguments)]
    try:
        main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    finally:
        sys.argv = before
    return 0


@pytest.fixture
def folder(tmp_path):
    made = load_script("made_surfaces")
    made.write_mesh(made.make_mesh(np.random.default_rng(0), 4), tmp_path)
    for name, content in zip(("people", "results"), made.make_files(0, 6), strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def evaluate(folder, *options):
    files = ("--gt", folder / "people.json", "--pred", folder / "results.json")
    return run_cli("eval", "densepose", *files, *options)


def test_tables_json_and_plots(folder, capsys):
    out, plots = folder / "new" / "out.json", folder / "plots"
    assert evaluate(folder, "--mesh", folder, "--json", out, "--plots", plots) == 0
    metrics = json.loads(out.read_text())
    assert list(metrics) == ["GPS", "GPSM", "IOU", "BOX"]
    assert list(metrics["GPS"])[:5] == ["AP", "AP50", "AP75", "APm", "APl"]
    assert len(metrics["GPS"]["AP_by_threshold"]) == 10
    shown = capsys.readouterr().out
    assert f"{metrics['GPS']['AP']:.1f}" in shown
    assert f"{metrics['BOX']['AP']:.1f}" in shown
    assert {path.name for path in plots.iterdir()} == {"precision_recall.png", "ap_by_threshold.png"}


def test_masks_need_no_mesh(folder, capsys):
    assert evaluate(folder, "--metric", "iou") == 0
    assert "GPS" not in capsys.readouterr().out
    assert evaluate(folder, "--metric", "iou,gps") != 0
    assert "--mesh: GPS and GPSm need the mesh files" in capsys.readouterr().err


def test_the_mesh_of_the_package_needs_no_files(folder, capsys):
    (folder / "SMPL_subdiv.mat").unlink()
    assert evaluate(folder, "--mesh", "made", "--json", folder / "out.json") == 0
    assert 0 < json.loads((folder / "out.json").read_text())["GPS"]["AP"] < 100
    assert "GPSm" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metric", "gpsx"), "--metric 'gpsx': unknown"),
        (("--metric", ""), "--metric '': unknown"),
        (("--json", "{folder}/people.json"), "is the input itself; use another --json"),
        (("--json", "{folder}"), "is a folder"),
        (("--mesh", "{folder}/no"), "no such folder"),
    ],
)
def test_wrong_options(folder, capsys, options, message):
    before = (folder / "people.json").read_bytes()
    assert evaluate(folder, *(option.format(folder=folder) for option in options)) != 0
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().count("\n") == 0
    assert (folder / "people.json").read_bytes() == before


def change_people(folder, change):
    path = folder / "people.json"
    people = json.loads(path.read_text())
    change(people)
    path.write_text(json.dumps(people))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["annotations"][0].update(dp_U=[2.0] * 25), "annotation 1.dp_U[0]: expected 0..1, found 2"),
        (lambda p: p["annotations"][0].update(dp_masks={"size": [9, 9], "counts": "0"}), "dp_masks.size"),
        (lambda p: p["annotations"][0].update(bbox=[1, 2, 3]), "annotation 1: bbox: expected 4 numbers"),
        (lambda p: p["annotations"][0].update(id=2), "annotation 2: stands twice"),
        (lambda p: p["images"][0].pop("height"), "image 1: height: expected a whole number"),
        (lambda p: p["images"][3].update(ignore_regions_y=[]), "image 4: ignore_regions_y: 0 regions"),
        (
            lambda p: [a.pop(n) for a in p["annotations"] for n in list(a) if n[:3] == "dp_"],
            "nobody has dp_x",
        ),
        (lambda p: p.update(images=[]), "images: none; nothing to evaluate"),
        (
            lambda p: [a.pop(f"dp_{n}", 0) for a in p["annotations"] for n in "IUV"] and
            [a.update(dp_vertex=[1]) for a in p["annotations"] if "dp_x" in a],
            "an annotation of vertices (CSE)",
        ),
    ],
)  # fmt: skip
def test_wrong_annotations(folder, capsys, change, message):
    change_people(folder, change)
    assert evaluate(folder, "--mesh", folder) != 0
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().count("\n") == 0
