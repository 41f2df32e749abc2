"""Made meshes, people and results, and their evaluation from files."""

import json

import numpy as np
import pytest
from made_scripts import load_script

from posetrack.evaluation.densepose.evaluate import evaluate_densepose
from posetrack.evaluation.densepose.mesh import BodyMesh
from posetrack.evaluation.densepose.read import read_dense_results
from posetrack.evaluation.densepose.truth import read_surface_truth


@pytest.fixture(scope="session")
def made():
    return load_script("made_surfaces")


@pytest.fixture(scope="session")
def arrays(made):
    return made.make_mesh(np.random.default_rng(0), 4)


@pytest.fixture(scope="session")
def body(arrays):
    uv = np.stack([arrays["u"], arrays["v"]], axis=1)
    coarse = arrays["index"].astype(np.int64) - 1
    return BodyMesh(arrays["part"].astype(np.int64), uv, coarse, arrays["distances"], "made")


@pytest.fixture
def evaluate(tmp_path, body):
    """Evaluate the content of two files."""

    def run(people, results, metrics=("gps", "gpsm", "iou")):
        for name, content in (("people", people), ("results", results)):
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        truth = read_surface_truth(tmp_path / "people.json")
        found = read_dense_results(tmp_path / "results.json", truth)
        return evaluate_densepose(truth, found, body, metrics)

    return run


@pytest.fixture
def make_one(made):
    """Makes people of one image, and a perfect result for each."""

    def make(*boxes, num_points=20, images=1):
        rng = np.random.default_rng(1)
        people = [made.make_person(rng, i, 1, list(box), num_points) for i, box in enumerate(boxes, 1)]
        results = [
            made.make_result(1, list(box), 0.9 - 0.01 * i, made.draw_surface(int(box[3]), int(box[2])))
            for i, box in enumerate(boxes)
        ]
        entries = [
            {"id": i, "width": 640, "height": 480, "file_name": f"{i}.jpg"} for i in range(1, images + 1)
        ]
        content = {"images": entries, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
        return content, results

    return make
