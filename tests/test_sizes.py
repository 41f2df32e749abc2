"""Files, functions and signatures stay small."""

import ast
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PACKAGES = ("posetrack", "models", "trackers", "scripts")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def list_functions():
    """Every function and method with its place."""
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def count_parameters(node):
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    own = sum(name not in ("self", "cls") for name in names)
    return own + (node.args.vararg is not None) + (node.args.kwarg is not None)


def test_files_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in FILES}
    assert len(lengths) > 200
    assert [str(path) for path, length in lengths.items() if length > 350] == []
    assert median(lengths.values()) <= 150


def test_functions_are_short():
    functions = list_functions()
    long = [place for place, node in functions if node.end_lineno - node.lineno + 1 > 60]
    assert len(functions) > 1000
    assert len(long) < len(functions) / 100, long


def test_signatures_are_short():
    assert [place for place, node in list_functions() if count_parameters(node) > 8] == []
