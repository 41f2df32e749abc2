"""Every public class has a name of its own."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]


def find_classes() -> dict[str, list[str]]:
    """Public classes of the three packages by name, each with the files that define it."""
    found = defaultdict(list)
    for package in ("posetrack", "models", "trackers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(ROOT)))
    return found


def test_no_two_public_classes_have_one_name():
    classes = find_classes()
    assert {"Instances", "People", "ExportedPeople"} <= classes.keys()
    assert {name: paths for name, paths in classes.items() if len(paths) > 1} == {}
