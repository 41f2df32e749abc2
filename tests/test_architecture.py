"""Imports run one way: posetrack -> models, posetrack -> trackers, and model families stay apart."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "models": {"posetrack", "trackers", "av", "typer", "rich"},
    "trackers": {"posetrack", "models", "torch", "torchvision", "av", "typer", "rich"},
    "posetrack": {"tests", "scripts"},
}
SHARED_MODEL_FOLDERS = {"backbones", "data", "training", "engines", "weights"}


def find_imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_run_one_way(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert len(files) > 3
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in find_imports(path)
        if name.split(".")[0] in FORBIDDEN[package]
    ]
    assert wrong == []


def test_model_families_do_not_import_one_another():
    folders = [path for path in (ROOT / "models").iterdir() if path.is_dir()]
    families = {path.name for path in folders if (path / "__init__.py").exists()} - SHARED_MODEL_FOLDERS
    assert "movenet" in families
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for family in families
        for path in (ROOT / "models" / family).rglob("*.py")
        for name in find_imports(path)
        if name.startswith("models.") and name.split(".")[1] in families - {family}
    ]
    assert wrong == []


def test_only_the_command_line_prints_and_exits():
    wrong = []
    for package in FORBIDDEN:
        for path in (ROOT / package).rglob("*.py"):
            if "cli" in path.relative_to(ROOT).parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    called = ast.unparse(node.func)
                    if called in {"print", "exit", "quit", "sys.exit", "os._exit"}:
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} calls {called}")
    assert wrong == []
