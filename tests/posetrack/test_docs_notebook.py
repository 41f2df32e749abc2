"""docs/python.ipynb runs from top to bottom, without Jupyter."""

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CELLS = json.loads((ROOT / "docs" / "python.ipynb").read_text())["cells"]


def run_cell(source, names):
    """Run a cell as Jupyter does: the value of a last line that is an expression is its result."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "docs/python.ipynb", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "docs/python.ipynb", "eval"), names)


def test_the_notebook_runs(tmp_path, monkeypatch):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    results = [run_cell("".join(cell["source"]), names) for cell in CELLS if cell["cell_type"] == "code"]
    assert len(results) > 10
    assert results[1]._repr_html_().startswith("<svg")
    assert results[2]._repr_html_().count("<tr>") == 2, "a head and the cyclist"
    assert "overlay.mp4" in results[4]._repr_html_()
    assert results[6].keypoint.tolist() == ["nose"] * 5
    assert results[8][0] > 0
    assert results[9][0] == (272, 640, 3)
    assert [file.name for file in results[10]] == ["person-1.png"]
    assert results[11] > 0


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell["cell_type"] == "code"])
def test_cells_are_short(cell):
    assert len(cell["source"]) <= 12
