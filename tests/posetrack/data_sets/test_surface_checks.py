"""Dense annotations and regions to ignore are checked as training and evaluation read them."""

import numpy as np
import pytest
from pycocotools import mask as mask_api

from posetrack.data_sets.findings import Findings
from posetrack.data_sets.surface_checks import check_ignored_regions, check_surface

POINTS = {"dp_x": [1.0, 250.5], "dp_y": [2, 3], "dp_I": [24.0, 1.0], "dp_U": [0.0, 1.0], "dp_V": [0.25, 0.5]}
BROKEN = "dense annotations that cannot be read"


def encode(side=256):
    lengths = mask_api.encode(np.ones((side, side), np.uint8, order="F"))
    return {"size": list(lengths["size"]), "counts": lengths["counts"].decode()}


HEALTHY = {**POINTS, "dp_masks": [encode(), *[[]] * 13]}


def check(entry):
    findings = Findings()
    return check_surface(entry, "file: annotations[3]", findings), findings.list_all()


@pytest.mark.parametrize("entry", [HEALTHY, {**POINTS, "dp_masks": encode(), "dp_vertex": [1, 2]}])
def test_a_good_annotation_has_no_findings(entry):
    assert check(entry) == (True, [])


def test_people_without_a_dense_annotation_have_no_findings():
    assert check({"bbox": [1, 2, 3, 4]}) == (False, [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dp_U": [1.5, 0.0]}, "dp_U[0]: expected 0..1"),
        ({"dp_I": [25, 1]}, "dp_I[0]: expected a chart 0..24, found 25"),
        ({"dp_y": [1]}, "dp_y: 1 numbers, but dp_x has 2"),
        ({"dp_V": None}, "no dp_V"),
        ({"dp_x": ["1", "2"]}, "dp_x: expected a list of finite numbers"),
        ({"dp_masks": [encode(64), *[[]] * 13]}, "dp_masks[0].size: expected [256, 256]"),
        ({"dp_masks": [[]] * 3}, "dp_masks: expected 14 masks"),
        ({"dp_I": None, "dp_U": None, "dp_V": None, "dp_vertex": [1, 2]}, "of vertices (CSE)"),
    ],
)
def test_what_training_would_refuse_is_a_fault(changes, message):
    is_dense, (finding,) = check({**HEALTHY, **changes})
    assert not is_dense
    assert (finding.kind, finding.is_fault) == (BROKEN, True)
    assert finding.examples[0].startswith("file: annotations[3]")
    assert message in finding.examples[0]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (POINTS, "without dp_masks"),
        ({"dp_masks": [[]] * 14}, "without points"),
        ({**HEALTHY, **{name: [] for name in POINTS}}, "has no points"),
        ({**HEALTHY, "dp_x": [-5, 3]}, "outside their box"),
        ({**HEALTHY, "dp_I": [0, 0]}, "all of the background"),
    ],
)
def test_what_is_odd_is_a_note(entry, kind):
    _, (finding,) = check(entry)
    assert kind in finding.kind
    assert not finding.is_fault


@pytest.mark.parametrize(
    "regions", [([[1, 2, 3]], [[1, 2]]), ([[1, 2, 3]], []), (["a"], [[1]]), (5, 5), ([[10**400]], [[1]])]
)
def test_regions_to_ignore_that_are_none_are_faults(regions):
    findings = Findings()
    check_ignored_regions({"ignore_regions_x": [[1, 5, 5]], "ignore_regions_y": [[1, 1, 5]]}, "a", findings)
    check_ignored_regions({"ignore_regions_x": [], "ignore_regions_y": []}, "a", findings)
    assert findings.list_all() == []
    x, y = regions
    check_ignored_regions({"ignore_regions_x": x, "ignore_regions_y": y}, "file: images[0]", findings)
    (finding,) = findings.list_all()
    assert finding.is_fault
    assert finding.examples[0].startswith("file: images[0].ignore_regions_x: expected")
