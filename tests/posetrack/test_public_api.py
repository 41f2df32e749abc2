"""What `import posetrack` gives: real names, examples that run, and no wait."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import posetrack
from posetrack.frame import Frame, Instances
from posetrack.skeleton import COCO_17

ROOT = Path(__file__).parents[2]
NAMES = {
    "ForeignOptions",
    "Frame",
    "ImageRegion",
    "Instances",
    "MeasureSettings",
    "MeasuredFloor",
    "PeopleSelection",
    "PoseTrackError",
    "RunReport",
    "SavedDense",
    "SavedPoses",
    "Skeleton",
    "Tracker",
    "crop_people",
    "draw",
    "draw_poses",
    "import_poses",
    "measure",
    "read_dense",
    "read_poses",
    "read_regions",
    "track",
    "write_measures",
}
HEAVY = ("numpy", "torch", "cv2", "av", "typer", "rich", "scipy", "openvino", "pycocotools")


METHODS = {"ImageRegion.read", "MeasuredFloor.read", "SavedPoses.select", "SavedPoses.to_dataframe"}


def find_examples(name: str) -> list[doctest.DocTest]:
    """The example of a name, and those of its methods."""
    documented = posetrack if name == "posetrack" else getattr(posetrack, name)
    finder = doctest.DocTestFinder(recurse=isinstance(documented, type))
    found = finder.find(
        documented, name, module=False, globs={each: getattr(posetrack, each) for each in posetrack.__all__}
    )
    return [test for test in found if test.examples or test.name in METHODS | {name}]


@pytest.mark.parametrize("name", ["posetrack", *sorted(NAMES)])
def test_the_examples_in_each_docstring_run(name, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    examples = find_examples(name)
    assert {example.name for example in examples} >= {name} | {
        method for method in METHODS if method.startswith(f"{name}.")
    }
    for example in examples:
        assert example.examples, f"{example.name} has no example"
        results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
        assert results.failed == 0, capsys.readouterr().out
        assert results.attempted == len(example.examples)


def test_names_are_attributes_of_the_package():
    assert set(posetrack.__all__) == NAMES | {"__version__"}
    assert set(dir(posetrack)) == NAMES | {"__version__"}
    with pytest.raises(AttributeError, match="module 'posetrack' has no attribute 'nonesuch'"):
        posetrack.nonesuch  # noqa: B018


def test_names_are_what_type_checkers_see():
    tree = ast.parse(Path(posetrack.__file__).read_text())
    (seen,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        (node.module, alias.name)
        for node in seen.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {name for _, name in imported} == NAMES
    for home, name in imported:
        assert getattr(posetrack, name) is getattr(importlib.import_module(home), name)


def test_importing_it_takes_nothing_heavy_along():
    code = f"import sys, posetrack; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_single_frame_is_drawn():
    people = Instances(
        boxes_xyxy=[[4, 4, 30, 44]],
        box_scores=[0.9],
        keypoints_xy=np.full((1, 17, 2), 20.0),
        keypoint_scores=np.ones((1, 17)),
    )
    frame = Frame(3, 0.12, np.zeros((48, 64, 3), np.uint8), people, COCO_17)
    drawn = posetrack.draw(frame)
    assert drawn.shape == (48, 64, 3)
    assert drawn.any()
    assert not frame.image.any(), "the frame's own image stays as it is"
    with pytest.raises(posetrack.PoseTrackError, match="frame 3: has no skeleton"):
        posetrack.draw(Frame(3, 0.12, frame.image, people))
