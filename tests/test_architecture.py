"""Imports run one way: from posetrack to models and trackers, downwards inside each, never between families."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED_FOLDERS = {"backbones", "data", "detection", "engines", "training", "weights"}
FAMILIES = tuple(
    sorted(
        path.parent.name
        for path in (ROOT / "models").glob("*/network.py")
        if path.parent.name not in SHARED_FOLDERS
    )
)
"""The families of networks: every folder of `models` with a network that is not shared by families."""
FORBIDDEN = {
    "models": {"posetrack", "trackers", "av", "typer", "rich"},
    "trackers": {"posetrack", "models", "torch", "torchvision", "av", "typer", "rich"},
    "posetrack": {"tests", "scripts"},
}
LAYERS = {
    "posetrack": (
        (
            "addresses",
            "body_parts",
            "errors",
            "frame",
            "garbage",
            "interruption",
            "json_fields",
            "low_pass",
            "machine",
            "notebook",
            "outputs",
            "polygons",
            "skeleton",
            "skeleton_files",
        ),
        (
            "compute",
            "drawing",
            "made_mesh",
            "pipeline",
            "render",
            "runtime",
            "stage_clock",
            "texture_atlas",
            "video",
            "web",
        ),
        ("images", "selection"),
        ("annotations", "edits", "foreign", "predictors", "results"),
        ("processors",),
        ("data_sets", "evaluation", "measuring"),
        ("training",),
        ("families",),
        ("recipe_files", "weights"),
        ("recipe",),
        ("build", "exports", "protocol", "weights.describe", "needs"),
        ("bench_report",),
        ("benchmark", "live", "review", "run", "workers"),
        ("",),
        ("cli",),
        ("__main__",),
    ),
    "models": (
        (
            "",
            "cache_folder",
            "json_text",
            "extras",
            "fit",
            "image_size",
            "keypoint_table",
            "metadata",
            "out_of_memory",
            "pickles",
            "settings",
            "stored_weights",
        ),
        ("backbones", "detectron2_names", "engines", "weights"),
        ("checkpoints", "training"),
        ("data",),
        ("detection",),
        FAMILIES,
    ),
}
"""Modules and folders, lowest first; the empty name is the package itself. A module imports from its own layer
and from lower ones, inside functions and for type checking too."""


def list_modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    paths = sorted((ROOT / package).rglob("*.py"))
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths
    }


def find_imports(path: Path) -> set[str]:
    """What a file imports anywhere, as dotted names; of `from a import b` both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def find_layer(module: str) -> int:
    """The place of a module in `LAYERS`, by the longest name that fits."""
    package, _, rest = module.partition(".")
    places = {name: place for place, names in enumerate(LAYERS[package]) for name in names}
    parts = rest.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in places:
            return places[name]
    raise AssertionError(f"{module}: add it to a layer")


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


@pytest.mark.parametrize("package", LAYERS)
def test_imports_inside_a_package_run_downwards(package):
    modules = list_modules(package)
    wrong = [
        f"{module} imports {name}"
        for module, path in modules.items()
        for name in sorted(find_imports(path) & modules.keys())
        if find_layer(name) > find_layer(module)
    ]
    assert wrong == []


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_import_circles(package):
    modules = list_modules(package)
    graph = {module: find_imports(path) & modules.keys() - {module} for module, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_folder_is_a_package():
    folders = {path.parent for package in FORBIDDEN for path in (ROOT / package).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_model_families_do_not_import_one_another():
    assert "movenet" in FAMILIES
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for family in FAMILIES
        for path in (ROOT / "models" / family).rglob("*.py")
        for name in find_imports(path)
        if name.startswith("models.") and name.split(".")[1] in set(FAMILIES) - {family}
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
