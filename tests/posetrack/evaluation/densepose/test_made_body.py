"""GPS on the mesh that comes with the package."""

import json

import numpy as np
import pytest

from models.densepose.parts import CHART_GROUPS
from posetrack.errors import PoseTrackError, ResultsError
from posetrack.evaluation.densepose import mesh as meshes
from posetrack.evaluation.densepose.evaluate import evaluate_densepose
from posetrack.evaluation.densepose.mesh import read_mesh
from posetrack.evaluation.densepose.read import read_dense_results
from posetrack.evaluation.densepose.similarity import SCALES
from posetrack.evaluation.densepose.truth import read_surface_truth
from posetrack.made_mesh import PATH, read_made_mesh

BOX = [0, 0, 255, 255]
CHART_POINTS = {2: (0.3, 0.6), 4: (0.2, 0.3), 5: (0.5, 0.5), 8: (0.5, 0.2), 23: (0.6, 0.7)}


@pytest.fixture(scope="module")
def body():
    return read_mesh("made")


def find_sample(mesh, chart, u, v):
    """The sample of the closest row of a chart, in a plain way."""
    rows = np.flatnonzero(mesh.charts == chart)
    return mesh.samples[rows[((mesh.uv[rows].astype(float) - (u, v)) ** 2).sum(axis=1).argmin()]]


def write_files(made, folder, found):
    """One person, whose five points lie side by side, and what is found there."""
    columns = np.arange(len(CHART_POINTS)) * 50 + 20
    u, v = (np.array([round(255 * point[i]) / 255 for point in CHART_POINTS.values()]) for i in (0, 1))
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": BOX, "area": 60_000, "iscrowd": 0}
    person |= {"dp_x": columns.tolist(), "dp_y": [100.0] * 5, "dp_I": [*map(float, CHART_POINTS)]}
    person |= {"dp_U": u.tolist(), "dp_V": v.tolist(), "dp_masks": [[]] * 14}
    person["segmentation"] = [[0, 0, 255, 0, 255, 255, 0, 255]]
    surface = np.ones((3, 255, 255), np.uint8)
    for column, point in zip(columns, found, strict=True):
        surface[:, 95:106, column - 5 : column + 6] = np.array(point, np.uint8)[:, None, None]
    images = [{"id": 1, "width": 300, "height": 300, "file_name": "1.jpg"}]
    content = {"images": images, "annotations": [person], "categories": [{"id": 1, "name": "person"}]}
    (folder / "people.json").write_text(json.dumps(content))
    (folder / "results.json").write_text(json.dumps([made.make_result(1, BOX, 0.9, surface)]))
    truth = read_surface_truth(folder / "people.json")
    return truth, read_dense_results(folder / "results.json", truth)


def measure_gps(truth, results, body, monkeypatch):
    """GPS of the only result."""
    from posetrack.evaluation.densepose import evaluate

    taken = []

    class Spy(evaluate.Similarities):
        def compute(self):
            found = super().compute()
            taken.extend(found)
            return found

    monkeypatch.setattr(evaluate, "Similarities", Spy)
    evaluation = evaluate_densepose(truth, results, body, ("gps",))
    return taken[0].item(), evaluation.metrics["GPS"]["AP"]


def test_what_is_annotated_has_gps_1(made, body, tmp_path, monkeypatch):
    found = [(chart, round(255 * u), round(255 * v)) for chart, (u, v) in CHART_POINTS.items()]
    gps, ap = measure_gps(*write_files(made, tmp_path, found), body, monkeypatch)
    assert gps == 1
    assert ap == pytest.approx(100)


def test_what_is_shifted_counts_by_its_distance(made, body, tmp_path, monkeypatch):
    mesh = read_made_mesh()
    found = [(chart, round(255 * (u + 0.1)), round(255 * (v - 0.15))) for chart, (u, v) in CHART_POINTS.items()]
    found[0] = (1, *found[0][1:])
    terms = []
    for (chart, (u, v)), (found_chart, found_u, found_v) in zip(CHART_POINTS.items(), found, strict=True):
        first = find_sample(mesh, chart, round(255 * u) / 255, round(255 * v) / 255)
        second = find_sample(mesh, found_chart, found_u / 255, found_v / 255)
        distance = float(mesh.distances_m[first, second])
        assert 0.005 < distance < 0.6
        terms.append(np.exp(-(distance**2) / (2 * SCALES[CHART_GROUPS[chart] - 1] ** 2)))
    gps, _ = measure_gps(*write_files(made, tmp_path, found), body, monkeypatch)
    assert gps == pytest.approx(np.mean(terms), abs=1e-6)
    assert 0.2 < gps < 0.98


def test_neighbouring_charts_meet(body):
    mesh = read_made_mesh()
    # On the seams of the left leg, front and back have the same u, and v of the same height.
    heights = np.linspace(0.1, 0.9, 9)
    for seam in (0.0, 1.0):
        points = np.stack([np.full(9, seam), heights], axis=1)
        front, back = (body.find_vertices(np.full(9, chart), points) for chart in (10, 8))
        assert body.measure(front, back).max() < 0.05
        assert mesh.distances_m[front, back].max() < 0.05


def test_a_folder_of_that_name_can_be_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ResultsError, match=r"made: no such folder; give that of the mesh files with --mesh, or made"
    ):
        read_mesh("./made")


def test_a_damaged_installation_is_named(tmp_path, monkeypatch):
    (tmp_path / "m.npz").write_bytes(PATH.read_bytes()[:1000])
    monkeypatch.setattr(meshes, "read_made_mesh", lambda: read_made_mesh(tmp_path / "m.npz"))
    with pytest.raises(PoseTrackError, match=r"m\.npz: damaged; install PoseTrack again"):
        read_mesh("made")
